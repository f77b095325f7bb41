//! What the head of a request may look like, before anything acts on it.
//!
//! The parser behind this one (`httparse`, in hyper) takes more than RFC 9112 asks for, such as lines that end with a bare
//! LF, a repeated or listed length, and a length beside a transfer coding, of which it drops one. Each of these is where a
//! proxy in front may see the end of a request elsewhere than we do, and what one of us takes for a body is a request to
//! the other. So a head is looked at here first, and where its end or that of its body could be a matter of opinion, it is
//! refused and the connection ends.
//!
//! Pure: bytes in, a verdict out. Sources: RFC 9112 (2.2, 3, 5, 6), RFC 9110 (5.5, 7.2).
//!
//! Not here: where a body ends (`framing`), reading (`gate`), what a path or a header means (the handlers).

use super::framing::Framing;
use crate::error::ApiError;
use crate::limits::{REQUEST_HEAD_BYTES, REQUEST_HEADERS, REQUEST_LEADING_LINES, REQUEST_LINE_BYTES};

#[cfg(test)]
mod tests;

/// A head that is whole and in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its length with the empty line at its end, in bytes.
    pub(super) length: usize,
    /// How the body behind it ends.
    pub(super) body: Framing,
    /// Whether the connection may become another protocol's with the answer, so that what follows cannot be judged
    /// before.
    pub(super) may_upgrade: bool,
}

/// Goes through a head as it arrives, each byte once.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// How much was looked at.
    seen: usize,
    /// Where the line begins that is being looked at.
    line: usize,
    /// How many lines have ended, the request line being the first.
    lines: usize,
    /// Empty lines before the request line. They belong to nothing.
    leading: usize,
}

impl Scan {
    /// Looks at what has come so far: always the same bytes from the beginning, and more. `None`: it goes on.
    ///
    /// # Errors
    /// As soon as it is clear that this will not become a head that is taken.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Result<Option<Head>, ApiError> {
        while let Some(&byte) = bytes.get(self.seen) {
            self.check_byte(bytes, byte)?;
            self.seen += 1;
            if self.lines == 0 && self.seen - self.line > REQUEST_LINE_BYTES {
                let limit = REQUEST_LINE_BYTES;
                return Err(ApiError::target_too_long(format!("the request line is over {limit} bytes")));
            }
            if self.seen > REQUEST_HEAD_BYTES {
                let limit = REQUEST_HEAD_BYTES;
                return Err(ApiError::head_too_large(format!("the head is over the limit of {limit} bytes")));
            }
            if byte == b'\n' && self.end_line(bytes)? {
                return whole(&bytes[..self.seen], self.leading).map(Some);
            }
        }
        Ok(None)
    }

    /// What can be said of one byte, knowing the one before it.
    fn check_byte(&self, bytes: &[u8], byte: u8) -> Result<(), ApiError> {
        let before = self.seen.checked_sub(1).and_then(|at| bytes.get(at));
        if (before == Some(&b'\r')) != (byte == b'\n') {
            return Err(refused("a line ends with something other than CR LF"));
        }
        match byte {
            b'\r' | b'\n' => Ok(()),
            // Before a word is said: what is no HTTP (TLS, for one) is not waited for.
            _ if self.lines == 0 && self.seen == self.line && !is_token(byte) => {
                Err(refused("this is no HTTP request"))
            }
            b'\t' if self.lines > 0 => Ok(()),
            0..=0x1f | 0x7f => Err(refused("there is a control character in the head")),
            _ => Ok(()),
        }
    }

    /// A line has come; says whether it was the last one.
    fn end_line(&mut self, bytes: &[u8]) -> Result<bool, ApiError> {
        let line = &bytes[self.line..self.seen - 2];
        self.line = self.seen;
        if self.lines == 0 {
            if line.is_empty() {
                // RFC 9112, 2.2: some clients send an empty line behind a body.
                self.leading += 2;
                if self.leading > 2 * REQUEST_LEADING_LINES {
                    return Err(refused("there is no request behind the empty lines"));
                }
                return Ok(false);
            }
            check_request_line(line)?;
        } else if line.is_empty() {
            return Ok(true);
        }
        self.lines += 1;
        if self.lines > REQUEST_HEADERS + 1 {
            let limit = REQUEST_HEADERS;
            return Err(ApiError::head_too_large(format!("there are more than {limit} header fields")));
        }
        Ok(false)
    }
}

fn refused(message: &str) -> ApiError {
    ApiError::malformed_data(format!("{message}; the connection is closed"))
}

fn check_request_line(line: &[u8]) -> Result<(), ApiError> {
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(refused(
            "the first line is not a method, a target and a version, with one space between",
        ));
    };
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return Err(refused("the method is no word"));
    }
    if version != b"HTTP/1.1" && version != b"HTTP/1.0" {
        // Not 505, which would be an error of ours in the log, and whoever tries every port begins with HTTP/2.
        return Err(refused("the first line does not end with HTTP/1.1, which is all that is spoken here"));
    }
    if method == b"CONNECT" {
        return Err(refused("CONNECT is for proxies, and this is none"));
    }
    let visible = |&byte: &u8| byte.is_ascii_graphic() && byte != b'#';
    if target.is_empty() || !target.iter().all(visible) {
        return Err(refused("the target holds something that has to be percent-encoded"));
    }
    if target[0] != b'/' && authority(target).is_none() && target != b"*" {
        return Err(refused("the target is neither a path nor a URL"));
    }
    // The parser behind would refuse it without a word, and nobody would have counted it.
    if http::Uri::try_from(target).is_err() {
        return Err(refused("the target is no URL, or holds something that has to be percent-encoded"));
    }
    Ok(())
}

/// The host and port of a target that is a whole URL.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let scheme = target.iter().position(|&byte| byte == b':')?;
    let name = &target[..scheme];
    let rest = target[scheme..].strip_prefix(b"://")?;
    let end = rest.iter().position(|&byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    (name.eq_ignore_ascii_case(b"http") || name.eq_ignore_ascii_case(b"https")).then_some(&rest[..end])
}

/// What the fields say about the end of the body and the place that is meant.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    upgrade: bool,
}

/// Judges a whole head, of which the lines and the first of them are known to be in order.
fn whole(bytes: &[u8], leading: usize) -> Result<Head, ApiError> {
    let mut lines = bytes[leading..].split(|&byte| byte == b'\n');
    let request = trimmed(lines.next().unwrap_or_default());
    let mut fields = Fields::default();
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        take_field(line, &mut fields)?;
    }
    let old = request.ends_with(b"HTTP/1.0");
    check_host(request, fields.host, old)?;
    let body = framing(&fields, old)?;
    if fields.upgrade && body != Framing::Length(0) {
        return Err(refused("a request with an upgrade has no body"));
    }
    Ok(Head { length: bytes.len(), body, may_upgrade: fields.upgrade })
}

fn take_field<'a>(line: &'a [u8], fields: &mut Fields<'a>) -> Result<(), ApiError> {
    if matches!(line[0], b' ' | b'\t') {
        return Err(refused("a header field goes on in the next line"));
    }
    let Some(colon) = line.iter().position(|&byte| byte == b':') else {
        return Err(refused("a header field has no colon"));
    };
    let (name, value) = (&line[..colon], trimmed(&line[colon + 1..]));
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(refused("the name of a header field is no word"));
    }
    let once = |place: &mut Option<&'a [u8]>, name: &str| match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(refused(&format!("{name} is there more than once"))),
    };
    if name.eq_ignore_ascii_case(b"host") {
        once(&mut fields.host, "host")
    } else if name.eq_ignore_ascii_case(b"content-length") {
        once(&mut fields.length, "content-length")
    } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
        once(&mut fields.coding, "transfer-encoding")
    } else {
        fields.upgrade |= name.eq_ignore_ascii_case(b"upgrade");
        Ok(())
    }
}

/// RFC 9112, 3.2: exactly one, and for a target that is a URL, the same.
fn check_host(request: &[u8], host: Option<&[u8]>, old: bool) -> Result<(), ApiError> {
    let target = request.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    match host {
        None if old => {}
        None => return Err(refused("the host header is missing")),
        Some(host) if !is_authority(host) => return Err(refused("the host header names no host")),
        Some(_) => {}
    }
    let named = authority(target);
    if named.is_some_and(|named| !host.is_some_and(|host| host.eq_ignore_ascii_case(named))) {
        return Err(refused("the URL and the host header name different hosts"));
    }
    Ok(())
}

/// A name or an address, and a port at most. No user, no path, no list.
fn is_authority(host: &[u8]) -> bool {
    let (name, port) = match host.strip_prefix(b"[") {
        Some(inside) => {
            let Some(end) = inside.iter().position(|&byte| byte == b']') else { return false };
            let in_brackets = |&byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            if !inside[..end].iter().all(in_brackets) {
                return false;
            }
            (&inside[..end], &inside[end + 1..])
        }
        None => {
            let end = host.iter().position(|&byte| byte == b':').unwrap_or(host.len());
            let in_name =
                |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
            if !host[..end].iter().all(in_name) {
                return false;
            }
            host.split_at(end)
        }
    };
    let digits = |port: &[u8]| port.len() <= 5 && port.iter().all(u8::is_ascii_digit);
    !name.is_empty() && (port.is_empty() || port.strip_prefix(b":").is_some_and(digits))
}

/// RFC 9112, 6: one way to say where the body ends, and no other one beside it.
fn framing(fields: &Fields<'_>, old: bool) -> Result<Framing, ApiError> {
    match (fields.length, fields.coding) {
        (None, None) => Ok(Framing::Length(0)),
        (Some(_), Some(_)) => Err(refused("there is a content-length beside a transfer-encoding")),
        (None, Some(_)) if old => Err(refused("there is a transfer-encoding, which HTTP/1.0 does not have")),
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::chunked()),
        (None, Some(_)) => Err(refused("the transfer-encoding is not chunked")),
        (Some(length), None) => {
            let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(length).ok().filter(|_| digits);
            let length = length.and_then(|length| length.parse().ok());
            length.map(Framing::Length).ok_or_else(|| refused("content-length is no number"))
        }
    }
}

/// Without spaces and tabs around it, and without the CR that is left of its end.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\r'] = value {
        value = rest;
    }
    value
}

/// RFC 9110, 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
