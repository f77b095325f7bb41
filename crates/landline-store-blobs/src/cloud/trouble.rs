//! What to tell the operator when a cloud refuses, or is not there.
//!
//! Not told: which blob it was about, and more than a little of what the cloud says.

use std::error::Error as _;

use landline_core::store::StoreError;
use landline_core::with_causes;
use landline_outbound::{Refused, address_problem, certificate_problem};
use object_store::Error;
use object_store::client::HttpError;
use url::Url;

use crate::limits::CLOUD_ERROR_BYTES;

pub(super) fn trouble(place: &Url, error: &Error) -> StoreError {
    let (happened, status) = what_happened(error);
    let what_to_do = match status {
        None if address_problem(error).is_some_and(|refused| refused.why() == Refused::Metadata) => {
            "; give the server credentials in its environment, those of the machine are not asked for"
        }
        Some(301 | 307 | 308) => {
            "; name the region or the endpoint of the bucket in the environment of the server"
        }
        Some(401) => "; give the server credentials in its environment",
        Some(403) => "; give the credentials of the server the right to read, write, delete and list there",
        Some(404) => "; make the bucket, or name another one",
        _ => "",
    };
    StoreError(format!("the files at {place}: {}{what_to_do}", brief(&happened)))
}

/// In words, and the status of the answer where there was one.
fn what_happened(error: &Error) -> (String, Option<u16>) {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<HttpError>() {
            let problem =
                certificate_problem(error).or_else(|| address_problem(error).map(ToString::to_string));
            return (problem.unwrap_or_else(|| with_causes(error)), None);
        }
        cause = inner.source();
    }
    let text = error.to_string();
    // Behind the address of the request, which names the blob.
    let said = text.split_once(" - ").map_or(text.as_str(), |(_, said)| said);
    // The library has the status of some errors only in words.
    let Some((_, answer)) = said.split_once("status code: ") else { return (said.to_owned(), None) };
    let (status, body) = answer.split_once(':').unwrap_or((answer, ""));
    let number = status.split(' ').next().and_then(|number| number.parse().ok());
    let said = code(body).map_or(String::new(), |code| format!(" ({code})"));
    (format!("it answered {status}{said}"), number)
}

/// What all three providers put into the XML of an error.
fn code(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once("<Code>")?;
    Some(rest.split_once("</Code>")?.0)
}

/// One line, and not a long one.
fn brief(text: &str) -> String {
    let mut brief: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = (0..=CLOUD_ERROR_BYTES.min(brief.len())).rev().find(|end| brief.is_char_boundary(*end));
    brief.truncate(end.unwrap_or_default());
    brief
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_in_brief_and_with_what_to_do() {
        let secret = "in 3ms - Server returned non-2xx status code: ";
        for (answer, told) in [
            (
                "403 Forbidden: <?xml?><Error><Code>AccessDenied</Code><Message>secret</Message>",
                "(AccessDenied); give",
            ),
            ("401 Unauthorized: ", "it answered 401 Unauthorized; give the server credentials"),
            ("404 Not Found: <Code>NoSuchBucket</Code>", "make the bucket"),
            ("301 Moved Permanently: ", "region"),
            ("500 Internal Server Error: \u{1}", "it answered 500 Internal Server Error"),
        ] {
            let source = format!("Error performing PUT http://x/secret {secret}{answer}").into();
            let error = trouble(&"s3://bucket/x".parse().unwrap(), &Error::Generic { store: "S3", source });
            assert!(error.0.contains(told) && error.0.contains("s3://bucket/x"), "{error}");
            assert!(!error.0.contains("secret") && !error.0.contains(char::is_control), "{error}");
        }
        let long = "é".repeat(CLOUD_ERROR_BYTES);
        let error = Error::Generic { store: "S3", source: long.into() };
        assert!(what_happened(&error).0.len() > CLOUD_ERROR_BYTES);
        assert!(brief(&what_happened(&error).0).len() <= CLOUD_ERROR_BYTES);
    }
}
