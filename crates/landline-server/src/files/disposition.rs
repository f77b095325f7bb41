//! The name of a file, as a browser saves it.
//!
//! Source: RFC 6266, with the advice of its appendix D, and RFC 8187 for what is not ASCII.

use http::HeaderValue;
use landline_auth::escaped_file_name;

/// The value of `content-disposition`. Whatever the name is, nothing but a name comes of it.
pub(crate) fn disposition(inline: bool, name: &str) -> HeaderValue {
    let kind = if inline { "inline" } else { "attachment" };
    // What some browsers read as escapes, and what would end the quotes, is left to the other form.
    let plain = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%');
    let fallback: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let mut value = format!("{kind}; filename=\"{fallback}\"");
    if fallback != name {
        value.push_str("; filename*=UTF-8''");
        value.push_str(&escaped_file_name(name));
    }
    // All of it is visible ASCII.
    HeaderValue::from_str(&value).unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(inline: bool, name: &str, expected: &str) {
        assert_eq!(disposition(inline, name), expected, "{name:?}");
    }

    #[test]
    fn names() {
        check(true, "cat.png", "inline; filename=\"cat.png\"");
        check(false, "a b;c=d'.txt", "attachment; filename=\"a b;c=d'.txt\"");
        check(false, "Ü.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%9C.txt");
        check(
            false,
            "a\"; filename=\"b.html",
            "attachment; filename=\"a_; filename=_b.html\"; filename*=UTF-8''a%22%3B%20filename%3D%22b.html",
        );
        check(false, "%41\\.txt", "attachment; filename=\"_41_.txt\"; filename*=UTF-8''%2541%5C.txt");
        check(false, "a\r\nb: c", "attachment; filename=\"a__b: c\"; filename*=UTF-8''a%0D%0Ab%3A%20c");
    }

    proptest! {
        #[test]
        fn nothing_but_a_name_comes_of_any_name(name in any::<String>()) {
            let value = disposition(false, &name);
            let text = value.to_str().unwrap();
            prop_assert!(text.starts_with("attachment; filename=\""));
            prop_assert_eq!(text.matches('"').count(), 2);
            let rest = text.rsplit('"').next().unwrap();
            prop_assert!(rest.is_empty() || rest.starts_with("; filename*=UTF-8''"));
            prop_assert_eq!(rest.matches(';').count(), usize::from(!rest.is_empty()));
        }
    }
}
