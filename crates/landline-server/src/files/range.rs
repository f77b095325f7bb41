//! Which part of a file is asked for.
//!
//! Source: RFC 9110, 14 (ranges) and 13 (conditions). Whoever asks for several ranges at once gets the whole file, as
//! the RFC allows: no answer is larger than the file.

use std::ops::Range;

use http::HeaderMap;
use http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// This part; never empty, and within the file.
    Part(Range<u64>),
    /// Nothing: the reader has it already.
    NotModified,
    /// Nothing: the range begins behind the end.
    Unsatisfiable,
}

/// What is wanted of a file of so many bytes with this entity tag.
pub(crate) fn wanted(headers: &HeaderMap, etag: &str, bytes: u64) -> Wanted {
    if headers.get_all(IF_NONE_MATCH).iter().any(|value| value.to_str().is_ok_and(|list| lists(list, etag))) {
        return Wanted::NotModified;
    }
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Wanted::Whole };
    // A date is never the one of the file, which has none.
    if headers.get(IF_RANGE).is_some_and(|condition| condition.as_bytes() != etag.as_bytes()) {
        return Wanted::Whole;
    }
    range.to_str().ok().map_or(Wanted::Whole, |range| part(range, bytes))
}

/// Whether a list of entity tags has this one. Compared weakly, as the RFC wants it here.
fn lists(list: &str, etag: &str) -> bool {
    list.trim() == "*"
        || list.split(',').map(str::trim).any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// What cannot be read as one range is as good as none.
fn part(range: &str, bytes: u64) -> Wanted {
    let Some((unit, set)) = range.split_once('=') else { return Wanted::Whole };
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let part = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(bytes),
        (Some(first), None) if last.is_empty() => first..bytes,
        // The last so many.
        (None, Some(count)) if first.is_empty() => bytes.saturating_sub(count)..bytes,
        _ => return Wanted::Whole,
    };
    if part.is_empty() { Wanted::Unsatisfiable } else { Wanted::Part(part) }
}

/// Digits; a number that is too large to be one is larger than any file.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ETAG: &str = "\"abc\"";

    #[track_caller]
    fn check(pairs: &[(&'static str, &str)], expected: Wanted) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        assert_eq!(wanted(&headers, ETAG, 100), expected, "{pairs:?}");
    }

    #[test]
    fn ranges() {
        check(&[], Wanted::Whole);
        check(&[("range", "bytes=0-0")], Wanted::Part(0..1));
        check(&[("range", "bytes=10-19")], Wanted::Part(10..20));
        check(&[("range", "Bytes = 10-19")], Wanted::Part(10..20));
        check(&[("range", "bytes=10-")], Wanted::Part(10..100));
        check(&[("range", "bytes=90-1000")], Wanted::Part(90..100));
        check(&[("range", "bytes=-10")], Wanted::Part(90..100));
        check(&[("range", "bytes=-1000")], Wanted::Part(0..100));
        check(&[("range", "bytes=0-99999999999999999999999")], Wanted::Part(0..100));
        check(&[("range", "bytes=0-18446744073709551615")], Wanted::Part(0..100));
        check(&[("range", "bytes=99-")], Wanted::Part(99..100));
        for behind in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999999-"] {
            check(&[("range", behind)], Wanted::Unsatisfiable);
        }
    }

    #[test]
    fn what_is_not_one_range_is_none() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=1",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=--1",
            "bytes=0-1,2-3",
            "bytes=0-0,-1",
            "items=0-1",
            "bytes=1 - 2",
            "bytes=0x1-2",
        ] {
            check(&[("range", range)], Wanted::Whole);
        }
        let many = (0..1000).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(",");
        check(&[("range", &format!("bytes={many}"))], Wanted::Whole);
        check(&[("range", "bytes=0-1"), ("range", "bytes=0-1")], Wanted::Whole);
    }

    #[test]
    fn conditions() {
        for held in [ETAG, "W/\"abc\"", "*", "\"x\", \"abc\"", "\"x\",W/\"abc\" , \"y\""] {
            check(&[("if-none-match", held)], Wanted::NotModified);
            check(&[("if-none-match", held), ("range", "bytes=0-1")], Wanted::NotModified);
        }
        for other in ["abc", "\"ABC\"", "\"abc", "", "\"x\", \"y\""] {
            check(&[("if-none-match", other)], Wanted::Whole);
        }
        check(&[("if-none-match", "\"x\""), ("if-none-match", ETAG)], Wanted::NotModified);
        check(&[("if-range", ETAG), ("range", "bytes=0-1")], Wanted::Part(0..2));
        for other in ["\"x\"", "W/\"abc\"", "Sat, 21 Nov 2026 08:00:00 GMT", ""] {
            check(&[("if-range", other), ("range", "bytes=0-1")], Wanted::Whole);
        }
    }

    #[test]
    fn an_empty_file_has_no_part() {
        let part = |range: &str| part(range, 0);
        for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(part(range), Wanted::Unsatisfiable, "{range}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_within_the_file(range in "(bytes=)?[-0-9, a]{0,24}", bytes in any::<u64>()) {
            if let Wanted::Part(part) = part(&range, bytes) {
                prop_assert!(part.start < part.end && part.end <= bytes);
            }
        }
    }
}
