//! The `Authorization` header: finding the credential in it.
//!
//! Not here: whether the credential is a secret or a token, and whether it is a good one.

use crate::limits::MAX_BEARER_BYTES;

/// Why there is no credential to look at. Both are a 401: the caller has to send another header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BearerError {
    /// There is no `Authorization` header.
    #[error("the header \"authorization: Bearer SECRET_OR_TOKEN\" is required")]
    Absent,
    /// There is one, of another scheme, empty, too long, or with more than one credential in it.
    #[error("the header \"authorization\" must be \"Bearer SECRET_OR_TOKEN\", of 8 KiB at the most")]
    Malformed,
}

/// Takes the credential out of the value of the `Authorization` header (`None` when there is no such header).
///
/// The scheme is `Bearer` in any case, one or more spaces follow, and the rest is visible ASCII.
///
/// # Errors
/// [`BearerError`]; neither kind quotes the header.
pub fn bearer(header: Option<&str>) -> Result<&str, BearerError> {
    let header = header.ok_or(BearerError::Absent)?;
    if header.len() > MAX_BEARER_BYTES {
        return Err(BearerError::Malformed);
    }
    let (scheme, rest) = header.split_once(' ').ok_or(BearerError::Malformed)?;
    let credential = rest.trim_matches(' ');
    let visible = !credential.is_empty() && credential.bytes().all(|b| b.is_ascii_graphic());
    if !scheme.eq_ignore_ascii_case("bearer") || !visible {
        return Err(BearerError::Malformed);
    }
    Ok(credential)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_credential_in_the_header() {
        check(Some("Bearer abc"), Ok("abc"));
        check(Some("bearer abc"), Ok("abc"));
        check(Some("BEARER   abc "), Ok("abc"));
        check(Some("Bearer a.b-c_d~e+f/g=="), Ok("a.b-c_d~e+f/g=="));
        check(None, Err(BearerError::Absent));
        for bad in [
            "",
            " ",
            "Bearer",
            "Bearer ",
            "Bearer   ",
            "abc",
            "Basic YTpi",
            "BotConnector abc",
            "Bearerabc",
            " Bearer abc",
            "Bearer\tabc",
            "Bearer abc def",
            "Bearer abc, Bearer def",
            "Bearer abc\n",
            "Bearer é",
            "Bearer a\0b",
        ] {
            check(Some(bad), Err(BearerError::Malformed));
        }
    }

    #[test]
    fn a_header_of_8_kib_is_the_longest() {
        let credential = "x".repeat(MAX_BEARER_BYTES - "Bearer ".len());
        check(Some(&format!("Bearer {credential}")), Ok(&credential));
        check(Some(&format!("Bearer {credential}x")), Err(BearerError::Malformed));
    }

    #[track_caller]
    fn check(header: Option<&str>, expected: Result<&str, BearerError>) {
        assert_eq!(bearer(header), expected, "{header:?}");
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(scheme in "(?i)bearer|.*", rest in ".*") {
            let header = format!("{scheme} {rest}");
            if let Ok(credential) = bearer(Some(&header)) {
                prop_assert!(!credential.is_empty() && !credential.contains(char::is_whitespace));
                prop_assert_eq!(credential, rest.trim_matches(' '));
            }
        }

        #[test]
        fn any_visible_credential_comes_through(credential in "[!-~]{1,200}") {
            let header = format!("Bearer {credential}");
            prop_assert_eq!(bearer(Some(&header)), Ok(&*credential));
        }
    }
}
