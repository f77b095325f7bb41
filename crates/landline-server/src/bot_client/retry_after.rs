//! What `retry-after` says, as a time from now.
//!
//! Source: RFC 9110, 10.2.3: seconds, or a date. A date is compared with the answer's own `date`, so that neither clock
//! has to be right.

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use httpdate::parse_http_date;

use crate::limits::BOT_RETRY_AFTER_MAX;

/// At most [`BOT_RETRY_AFTER_MAX`]; `None` where it says nothing that can be understood.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are more than the bound, too.
        text.parse().map_or(Duration::MAX, Duration::from_secs)
    } else {
        let then = parse_http_date(text).ok()?;
        let answered = parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
        then.duration_since(answered).unwrap_or_default()
    };
    Some(asked.min(BOT_RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(said: &'static str, seconds: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        headers.insert(RETRY_AFTER, HeaderValue::from_static(said));
        assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{said:?}");
    }

    #[test]
    fn seconds_or_a_date_within_a_bound() {
        check("0", Some(0));
        check(" 120 ", Some(120));
        check("86400", Some(3600));
        check("99999999999999999999999999", Some(3600));
        check("Sun, 06 Nov 1994 08:50:37 GMT", Some(60));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        check("Fri, 31 Dec 9999 23:59:59 GMT", Some(3600));
    }

    #[test]
    fn what_is_not_understood_says_nothing() {
        for said in ["", "-1", "1.5", "soon", "12 s", "Sun, 99 Nov 1994"] {
            check(said, None);
        }
        let mut without_date = HeaderMap::new();
        without_date.insert(RETRY_AFTER, HeaderValue::from_static("Sun, 06 Nov 1994 08:50:37 GMT"));
        assert_eq!(retry_after(&without_date), None);
    }
}
