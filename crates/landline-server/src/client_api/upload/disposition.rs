//! The name that a sender gives a file.
//!
//! Source: RFC 6266 and RFC 8187; for parts of forms RFC 7578, and the HTML standard, "Multipart form data", which
//! writes a quote as `%22`. Read leniently: what cannot be read is no name.

use http::HeaderValue;
use percent_encoding::percent_decode_str;

/// The name of the file in a `content-disposition`. `filename*` wins, which .NET sends beside a `filename` that is
/// encoded as in e-mails.
pub(crate) fn file_name(disposition: &HeaderValue) -> Option<String> {
    let text = String::from_utf8_lossy(disposition.as_bytes());
    let (_, parameters) = text.split_once(';')?;
    let (mut plain, mut extended, mut rest) = (None, None, parameters);
    while let Some((name, value, after)) = parameter(rest) {
        if name.eq_ignore_ascii_case("filename") {
            plain = plain.or(Some(value));
        } else if name.eq_ignore_ascii_case("filename*") {
            extended = extended.or_else(|| decoded(&value));
        }
        rest = after;
    }
    extended.or_else(|| plain.map(|name| name.replace("%22", "\"")))
}

/// The next parameter, and what is behind it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let text = text.trim_start_matches([';', ' ', '\t']);
    // Whichever comes first: to look for one of them behind the other again and again would take a time that is quadratic.
    let (name, value) = text.split_at(text.find(['=', ';'])?);
    let Some(value) = value.strip_prefix('=') else {
        // A parameter without a value.
        return Some((name, String::new(), value));
    };
    let value = value.trim_start();
    match value.strip_prefix('"') {
        Some(quoted) => {
            let (value, after) = quoted_text(quoted);
            Some((name.trim(), value, after))
        }
        None => {
            let (value, after) = value.split_at(value.find(';').unwrap_or(value.len()));
            Some((name.trim(), value.trim_end().to_owned(), after))
        }
    }
}

/// Up to the closing quote. Browsers do not escape a backslash, so only one before a quote or another one is an escape.
fn quoted_text(text: &str) -> (String, &str) {
    let (mut value, mut chars) = (String::new(), text.char_indices().peekable());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push(c),
            },
            _ => value.push(c),
        }
    }
    (value, "")
}

/// `UTF-8''%C3%9C.txt`
fn decoded(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    let utf8 = charset.eq_ignore_ascii_case("utf-8");
    utf8.then(|| percent_decode_str(text).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(disposition: &str, expected: Option<&str>) {
        let value = HeaderValue::from_bytes(disposition.as_bytes()).unwrap();
        assert_eq!(file_name(&value).as_deref(), expected, "{disposition}");
    }

    #[test]
    fn names_as_clients_send_them() {
        check("form-data; name=\"file\"; filename=\"cat.png\"", Some("cat.png"));
        check("name=\"file\"; filename=\"cat.png\"", Some("cat.png"));
        check("form-data; name=\"file\"; filename=\"Ü 🐈.png\"", Some("Ü 🐈.png"));
        check("form-data; name=\"file\"; filename=\"a%22b.png\"", Some("a\"b.png"));
        check("form-data; name=\"file\"; filename=\"a\\\"b.png\"", Some("a\"b.png"));
        check("form-data; name=\"file\"; filename=\"C:\\dir\\a.png\"", Some("C:\\dir\\a.png"));
        check("form-data; name=\"file\"; filename=\"a;b=c.png\"; x=y", Some("a;b=c.png"));
        check("form-data; name=file; filename=cat.png", Some("cat.png"));
        check("form-data; FILENAME = \"cat.png\"", Some("cat.png"));
        check("form-data; name=file; filename=\"=?utf-8?B?w5w=?=\"; filename*=utf-8''%C3%9C", Some("Ü"));
        check("attachment; filename*=UTF-8'de'%C3%9C.txt; filename=U.txt", Some("Ü.txt"));
        check("attachment; filename*=latin1''%DC; filename=U.txt", Some("U.txt"));
        check("form-data; name=\"filename=x\"; filename=\"y\"", Some("y"));
    }

    #[test]
    fn what_gives_no_name() {
        for nothing in
            ["", "form-data", "form-data;", "form-data; name=\"file\"", "form-data; filename", ";;;", "=;="]
        {
            check(nothing, None);
        }
        check("form-data; filename=\"", Some(""));
        check("form-data; filename=\"open", Some("open"));
        check("form-data; x; filename=\"y\"", Some("y"));
    }

    #[test]
    fn s77_many_parameters_take_a_time_that_is_linear() {
        let many = |count: usize| {
            let value = HeaderValue::from_str(&format!("f;{}=", "x;".repeat(count))).unwrap();
            let best = (0..5).map(|_| {
                let begun = tokio::time::Instant::now();
                assert_eq!(file_name(&value), None);
                begun.elapsed()
            });
            best.min().unwrap()
        };
        let (short, long) = (many(20_000), many(160_000));
        // Eight times as long; 64 times where each looks at all that follow.
        assert!(long < short * 28 + std::time::Duration::from_millis(5), "{short:?}, {long:?}");
    }

    proptest! {
        #[test]
        fn anything_is_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..80), text in "[-a-z;=\"*' \\\\%]{0,60}") {
            for bytes in [bytes.as_slice(), format!("f; filename{text}").as_bytes()] {
                if let Ok(value) = HeaderValue::from_bytes(bytes) {
                    let _ = file_name(&value);
                }
            }
        }
    }
}
