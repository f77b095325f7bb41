//! One pass over the bytes of a JSON text, before it is read, for what the reader would let through.
//!
//! `serde_json` keeps a raw value without looking deeply into it, so two things are looked for here:
//! nesting deep enough to exhaust the stack of whoever reads it next, and halves of surrogate pairs,
//! which have no UTF-8 form and break bots written in Python.

use serde_json::value::RawValue;

/// How deep arrays and objects may nest.
///
/// The deepest adaptive cards seen in practice stay below 30.
pub const MAX_JSON_DEPTH: usize = 64;

/// Why bytes are not JSON that we accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// The text is not JSON; the parser's words say where.
    #[error("the body is not JSON: {0}")]
    Syntax(String),
    /// It is JSON, but something other than an object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// More arrays and objects within one another than [`MAX_JSON_DEPTH`].
    #[error("the body nests deeper than {MAX_JSON_DEPTH} levels")]
    TooDeep,
    /// A `\uD800`–`\uDFFF` escape without its other half.
    #[error("the body holds half of a surrogate pair at byte {0}")]
    LoneSurrogate(usize),
    /// One name twice in the same object: readers would disagree on which counts.
    #[error("the property {0:?} stands twice in the body")]
    Duplicate(String),
}

/// Checks that `json` is one JSON value, nested no deeper than allowed, of whole characters.
///
/// # Errors
/// The first thing found wrong.
pub(crate) fn check(json: &[u8]) -> Result<&RawValue, JsonError> {
    let text = std::str::from_utf8(json).map_err(|_| JsonError::NotUtf8)?;
    scan(text.as_bytes())?;
    serde_json::from_str(text).map_err(|error| JsonError::Syntax(error.to_string()))
}

/// Walks the bytes once. Whatever is not well-formed is left for the parser to refuse.
fn scan(json: &[u8]) -> Result<(), JsonError> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'"' => at = scan_string(json, at)?,
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_JSON_DEPTH {
                    return Err(JsonError::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// From behind the opening quote to behind the closing one.
fn scan_string(json: &[u8], mut at: usize) -> Result<usize, JsonError> {
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return Ok(at + 1),
            b'\\' => match unicode_escape(json, at) {
                Some(0xD800..=0xDBFF) => match unicode_escape(json, at + 6) {
                    Some(0xDC00..=0xDFFF) => at += 12,
                    _ => return Err(JsonError::LoneSurrogate(at)),
                },
                Some(0xDC00..=0xDFFF) => return Err(JsonError::LoneSurrogate(at)),
                _ => at += 2,
            },
            _ => at += 1,
        }
    }
    Ok(at)
}

/// The number of a `\uXXXX` that begins at `at`.
fn unicode_escape(json: &[u8], at: usize) -> Option<u32> {
    let escape = json.get(at..at + 6)?;
    let digits = escape.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn depth_is_bounded_whatever_stands_in_strings() {
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(check(deep(MAX_JSON_DEPTH).as_bytes()).is_ok());
        assert_eq!(check(deep(MAX_JSON_DEPTH + 1).as_bytes()).err(), Some(JsonError::TooDeep));
        assert_eq!(check("[".repeat(1_000_000).as_bytes()).err(), Some(JsonError::TooDeep));
        assert!(check(format!("\"{}\"", "[".repeat(1000)).as_bytes()).is_ok());
        assert!(check(br#""\"[[[[""#).is_ok());
    }

    #[test]
    fn surrogates_come_in_pairs() {
        assert!(check(br#""\ud83d\ude00""#).is_ok());
        assert!(check(br#""\\ud83d""#).is_ok());
        for bad in [r#""\ud83d""#, r#""\ud83dx""#, r#""\ude00""#, r#""\ud83d\u0041""#, r#""\ud83d\ud83d""#] {
            assert!(matches!(check(bad.as_bytes()), Err(JsonError::LoneSurrogate(1))), "{bad}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for bad in ["", "{", "{]", "nul", "{\"a\":}", "\"\\u12\"", "\"\\", "NaN", "1 2", "\u{feff}{}"] {
            assert!(matches!(check(bad.as_bytes()), Err(JsonError::Syntax(_))), "{bad:?}");
        }
        assert_eq!(check(b"\"\xff\"").err(), Some(JsonError::NotUtf8));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let ours = check(&bytes).is_ok();
            let theirs = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
            prop_assert!(!ours || theirs, "we accept what serde_json refuses");
        }
    }
}
