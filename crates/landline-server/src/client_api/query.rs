//! Query parameters.

use landline_protocol::Watermark;
use std::time::Duration;

use landline_core::limits::MAX_POLL_WAIT;

use crate::error::ApiError;

/// The first value of a parameter.
pub(crate) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query?.as_bytes());
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The same, of a query that is not written as forms are: a plus in it stands for itself.
pub(super) fn parameter_with_pluses(query: Option<&str>, name: &str) -> Option<String> {
    parameter(Some(&query?.replace('+', "%2B")), name)
}

/// `watermark=`.
pub(crate) fn watermark(query: Option<&str>) -> Result<Watermark, ApiError> {
    Watermark::parse(parameter(query, "watermark").as_deref())
        .map_err(|error| ApiError::bad_argument(format!("watermark: {error}")))
}

/// `wait=`: for how many seconds a poll may be held open.
pub(crate) fn wait(query: Option<&str>) -> Result<Duration, ApiError> {
    let Some(text) = parameter(query, "wait") else { return Ok(Duration::ZERO) };
    let seconds = text.parse().ok().filter(|seconds| *seconds <= MAX_POLL_WAIT.as_secs());
    seconds.map(Duration::from_secs).ok_or_else(|| {
        ApiError::bad_argument(format!("wait: send whole seconds from 0 to {}", MAX_POLL_WAIT.as_secs()))
    })
}

#[cfg(test)]
mod tests {
    use landline_protocol::Position;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_found_and_decoded() {
        assert_eq!(parameter(Some("a=1&watermark=%34%32&watermark=7"), "watermark").as_deref(), Some("42"));
        assert_eq!(parameter(Some("a=1"), "watermark"), None);
        assert_eq!(parameter(Some("u=a+b%2Bc"), "u").as_deref(), Some("a b+c"));
        assert_eq!(parameter_with_pluses(Some("u=a+b%2Bc%20d"), "u").as_deref(), Some("a+b+c d"));
        assert_eq!(watermark(None).unwrap(), Watermark::Absent);
        assert_eq!(watermark(Some("watermark")).unwrap(), Watermark::Empty);
        assert_eq!(watermark(Some("watermark=")).unwrap(), Watermark::Empty);
        assert_eq!(watermark(Some("watermark=42")).unwrap(), Watermark::After(Position::new(42)));
        assert!(watermark(Some("watermark=42x")).is_err());
    }

    #[test]
    fn waits_are_whole_seconds_below_what_the_stock_client_stands() {
        assert_eq!(wait(None).unwrap(), Duration::ZERO);
        assert_eq!(wait(Some("wait=19")).unwrap(), Duration::from_secs(19));
        for bad in ["wait=20", "wait=-1", "wait=", "wait=1.5", "wait=99999999999999999999"] {
            assert!(wait(Some(bad)).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "[ -~]{0,80}") {
            let _ = (watermark(Some(&query)), wait(Some(&query)));
        }
    }
}
