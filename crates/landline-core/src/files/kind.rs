//! What a file is served as, whatever its sender said that it is.
//!
//! Files come from strangers and are served under our own name. So nothing is served as what a browser would run, or
//! show as a document of ours; pictures are what their first bytes say; everything else is a download.
//!
//! Invariants: what [`served_type`] gives can stand in a header as it is, and is served as itself when it is asked for
//! again. Only what [`is_shown_inline`] allows may be shown in a page of its own. Nothing is ever decoded or unpacked.
//!
//! Not here: the headers that go with it (`landline-server`, `files`).

use std::borrow::Cow;

/// What is served where the type was not told, is no type, or is not safe to serve.
pub const OCTET_STREAM: &str = "application/octet-stream";

/// How many of the first bytes of a file decide.
pub const KIND_BYTES: usize = 12;

/// The longest type that is kept. Source: RFC 6838, 4.2: names of up to 127 characters on each side of the slash.
const MAX_TYPE_BYTES: usize = 255;

const PNG: &str = "image/png";
const JPEG: &str = "image/jpeg";
const GIF: &str = "image/gif";
const WEBP: &str = "image/webp";

/// What browsers run, apply, install, or show as a document, or what others unpack into such; and what makes them guess
/// all the same (MIME Sniffing Standard, "Determining the computed MIME type of a resource"). Besides these: whatever is XML,
/// and the families `multipart/` and `message/`, which are several documents in one.
const ACTIVE: [&str; 36] = [
    "*/*",
    "application/ecmascript",
    "application/hta",
    "application/java-archive",
    "application/javascript",
    "application/pdf",
    "application/signed-exchange",
    "application/unknown",
    "application/vnd.ms-htmlhelp",
    "application/wasm",
    "application/webbundle",
    "application/x-ecmascript",
    "application/x-java-applet",
    "application/x-javascript",
    "application/x-mimearchive",
    "application/x-pdf",
    "application/x-shockwave-flash",
    "application/x-silverlight-app",
    "application/x-x509-ca-cert",
    "application/x-x509-email-cert",
    "application/x-x509-user-cert",
    "application/x-xpinstall",
    "application/xml",
    "application/xml-dtd",
    "application/xml-external-parsed-entity",
    "text/cache-manifest",
    "text/css",
    "text/ecmascript",
    "text/html",
    "text/jscript",
    "text/pdf",
    "text/vbscript",
    "text/x-component",
    "text/xml",
    "text/xsl",
    "unknown/unknown",
];

/// What a file is served as.
///
/// In: what its sender said, and the first bytes of the file, [`KIND_BYTES`] of them where it has so many. A picture of
/// another kind than was said is served as what it is.
pub fn served_type<'a>(declared: Option<&'a str>, head: &[u8]) -> Cow<'a, str> {
    let octet_stream = Cow::Borrowed(OCTET_STREAM);
    let Some(declared) = declared.map(str::trim).filter(|text| text.len() <= MAX_TYPE_BYTES) else {
        return octet_stream;
    };
    let (essence, parameters) = match declared.split_once(';') {
        Some((essence, parameters)) => (essence.trim_end(), Some(parameters)),
        None => (declared, None),
    };
    if !is_essence(essence) || !parameters.is_none_or(are_parameters) {
        return octet_stream;
    }
    let essence_lower = essence.to_ascii_lowercase();
    if is_active(&essence_lower) {
        return octet_stream;
    }
    let picture = picture(head);
    match (essence_lower.as_str(), picture) {
        // Also of a type like `image/x-png`, so that it can be shown.
        (said, Some(picture)) if said.starts_with("image/") => Cow::Borrowed(picture),
        (PNG | JPEG | "image/jpg" | "image/pjpeg" | GIF | WEBP, None) => octet_stream,
        _ if essence_lower == essence => Cow::Borrowed(declared),
        _ => Cow::Owned(format!("{essence_lower}{}", &declared[essence.len()..])),
    }
}

/// Whether what is served as this may be shown in a page of its own: only the pictures whose bytes were looked at.
pub fn is_shown_inline(served: &str) -> bool {
    matches!(served, PNG | JPEG | GIF | WEBP)
}

/// Source: the MIME Sniffing Standard, "Matching an image type pattern".
fn picture(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(PNG),
        [0xff, 0xd8, 0xff, ..] => Some(JPEG),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(GIF),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(WEBP),
        _ => None,
    }
}

/// In: a type without parameters, in lower case.
fn is_active(essence: &str) -> bool {
    let family = |family: &str| essence.starts_with(family);
    family("multipart/")
        || family("message/")
        || essence.ends_with("+xml")
        // Each release of JavaScript once had a type of its own.
        || family("text/javascript")
        || family("text/livescript")
        || family("text/x-javascript")
        || family("text/x-ecmascript")
        || ACTIVE.contains(&essence)
}

/// `type/subtype`, both of characters of a token. Source: RFC 9110, 8.3.1.
fn is_essence(text: &str) -> bool {
    text.split_once('/').is_some_and(|(family, kind)| is_token(family) && is_token(kind))
}

fn is_token(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(plain)
}

/// `name=value`, separated by semicolons; values of a token or in quotes without an escape.
fn are_parameters(text: &str) -> bool {
    let mut rest = text.trim();
    loop {
        let Some((name, after)) = rest.split_once('=') else { return false };
        if !is_token(name) {
            return false;
        }
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((value, after)) => {
                    (value.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'\\'), after)
                }
                None => return false,
            },
            None => {
                let end = after.find([';', ' ']).unwrap_or(after.len());
                let (value, after) = after.split_at(end);
                (is_token(value), after)
            }
        };
        let after = after.trim_start();
        match after.strip_prefix(';') {
            _ if !value => return false,
            Some(next) => rest = next.trim_start(),
            None => return after.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PNG_BYTES: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const JPEG_BYTES: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01";
    const GIF_BYTES: &[u8] = b"GIF89a\x01\0\x01\0\0\0";
    const WEBP_BYTES: &[u8] = b"RIFF\x24\0\0\0WEBPVP8 ";

    #[track_caller]
    fn check(declared: &str, head: &[u8], expected: &str) {
        assert_eq!(served_type(Some(declared), head), expected, "{declared:?}");
    }

    #[test]
    fn pictures_are_what_their_bytes_say() {
        let kinds = [
            ("image/png", PNG_BYTES),
            ("image/jpeg", JPEG_BYTES),
            ("image/gif", GIF_BYTES),
            ("image/webp", WEBP_BYTES),
        ];
        for (kind, bytes) in kinds {
            for (declared, _) in kinds {
                check(declared, bytes, kind);
            }
            check("image/x-something", bytes, kind);
            check(" IMAGE/PNG ", bytes, kind);
            check(kind, &bytes[..KIND_BYTES], kind);
            for lie in [b"MZ\x90\0".as_slice(), b"<svg onload=alert(1)>", b"<html>", b"%PDF-1.7", b""] {
                check(kind, lie, OCTET_STREAM);
            }
            check("image/jpg", b"MZ", OCTET_STREAM);
            assert!(is_shown_inline(kind));
        }
        check("image/gif", b"GIF88a", OCTET_STREAM);
        check("image/png", &PNG_BYTES[..7], OCTET_STREAM);
        check("image/webp", b"RIFF\x24\0\0\0WAVEfmt ", OCTET_STREAM);
    }

    #[test]
    fn what_a_browser_runs_or_shows_is_never_served_as_that() {
        for declared in [
            "text/html",
            "TEXT/HTML",
            "text/html; charset=utf-8",
            "text/html ; charset=utf-8",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "application/xml",
            "application/rss+xml",
            "application/xslt+xml",
            "text/xsl",
            "text/javascript",
            "text/javascript1.5",
            "application/javascript",
            "application/x-javascript",
            "text/css",
            "application/pdf",
            "application/wasm",
            "multipart/related",
            "multipart/x-mixed-replace; boundary=x",
            "message/rfc822",
            "application/x-mimearchive",
            "application/x-shockwave-flash",
            "text/vbscript",
            "text/cache-manifest",
            "*/*",
            "unknown/unknown",
            "application/unknown",
            "application/x-xpinstall",
            "application/x-x509-ca-cert",
            "application/signed-exchange;v=b3",
        ] {
            check(declared, b"<script>", OCTET_STREAM);
            check(declared, PNG_BYTES, OCTET_STREAM);
        }
    }

    #[test]
    fn other_types_are_served_as_declared() {
        check("text/plain", b"hi", "text/plain");
        check("text/plain; charset=utf-8", b"hi", "text/plain; charset=utf-8");
        check("Text/Plain; charset=UTF-8", b"hi", "text/plain; charset=UTF-8");
        check(
            "text/plain;charset=\"utf-8\"; format=flowed",
            b"hi",
            "text/plain;charset=\"utf-8\"; format=flowed",
        );
        check("audio/mpeg", b"ID3", "audio/mpeg");
        check("application/vnd.ms-excel", b"\xd0\xcf", "application/vnd.ms-excel");
        check("application/zip", PNG_BYTES, "application/zip");
        check("image/bmp", b"BM", "image/bmp");
        assert!(!is_shown_inline("image/bmp") && !is_shown_inline("text/plain"));
    }

    #[test]
    fn what_is_no_type() {
        for declared in [
            "",
            "/",
            "text",
            "text/",
            "/plain",
            "text/plain/x",
            "text plain",
            "text/pl ain",
            "text/plain;",
            "text/plain; charset",
            "text/plain; =x",
            "text/plain; charset=",
            "text/plain; charset=a b",
            "text/plain; charset=\"a",
            "text/plain; charset=\"a\\\"b\"",
            "text/plain; charset=\"a\" b",
            "text/plain\r\nx: y",
            "text/plain; charset=\"\r\n\"",
            "text/plain; charset=\"é\"",
            "téxt/plain",
            "text/plain, text/html",
            &format!("text/{}", "x".repeat(251)),
        ] {
            check(declared, b"x", OCTET_STREAM);
        }
        assert_eq!(served_type(None, PNG_BYTES), OCTET_STREAM);
    }

    proptest! {
        #[test]
        fn it_can_stand_in_a_header_and_stays_what_it_is(
            declared in prop_oneof![any::<String>(), "[a-zA-Z+./; =\"]{0,40}", "(image|text|application)/[a-z+-]{1,12}"],
            head in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..16),
                Just(PNG_BYTES.to_vec()), Just(JPEG_BYTES.to_vec()), Just(GIF_BYTES.to_vec()), Just(WEBP_BYTES.to_vec()),
            ],
        ) {
            let served = served_type(Some(&declared), &head);
            prop_assert!(!served.is_empty() && served.len() <= MAX_TYPE_BYTES);
            prop_assert!(served.bytes().all(|b| matches!(b, b' '..=b'~')), "{served:?}");
            prop_assert_eq!(served_type(Some(&served), &head), served.as_ref());
            let essence = served.split(';').next().unwrap_or_default().trim();
            prop_assert!(!is_active(essence), "{served:?}");
            if is_shown_inline(&served) {
                prop_assert_eq!(picture(&head), Some(served.as_ref()));
            }
        }
    }
}
