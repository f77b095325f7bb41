//! Names of files, as they come and as they go, and which part of a file is asked for.

use http::{HeaderMap, HeaderName, HeaderValue};
use landline_server::fuzzing;

use crate::Target;
use crate::input::{halves, split, text};

pub(crate) const TARGET: Target = Target {
    name: "file_names",
    longest: 4096,
    share: 1,
    claim: "any content-disposition gives a name or none; nothing but a name comes of any name: no other header, no path, \
            no second parameter, and the name reads back; a range is not empty and within the file",
    run,
};

fn run(data: &[u8]) {
    let (kind, rest) = split(data);
    match kind % 3 {
        0 => sent(rest),
        1 => given(&text(rest)),
        _ => range(rest),
    }
}

fn sent(said: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(said) else { return };
    if let Some(name) = fuzzing::sent_file_name(&value) {
        // A byte that is no UTF-8 becomes a character of three.
        assert!(name.len() <= 3 * said.len());
        given(&name);
    }
}

fn given(name: &str) {
    let value = fuzzing::given_disposition(false, name);
    let said = value.to_str().expect("visible ASCII");
    assert!(said.starts_with("attachment; filename=\""), "{said:?}");
    assert!(said.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    assert_eq!(said.matches('"').count(), 2, "{said:?}");
    let behind = said.rsplit('"').next().expect("what is behind the quotes");
    assert!(behind.is_empty() || behind.starts_with("; filename*=UTF-8''"));
    assert_eq!(behind.matches(';').count(), usize::from(!behind.is_empty()));
    assert!(!behind.contains('/') && !behind.contains('\\'));
    assert_eq!(fuzzing::sent_file_name(&value).as_deref(), Some(name), "the name reads back: {said:?}");
}

fn range(said: &[u8]) {
    const HELD: &str = "\"abc\"";
    let (length, rest) = rest_and_length(said);
    let mut headers = HeaderMap::new();
    let mut left = rest;
    for name in ["range", "if-range", "if-none-match", "range", "if-none-match"] {
        let (value, behind) = halves(left);
        left = behind;
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
        if left.is_empty() {
            break;
        }
    }
    if let Ok(part) = fuzzing::wanted_range(&headers, HELD, length) {
        assert!(part.end <= length && (part.start < part.end || part == (0..length)), "{part:?} of {length}");
    }
}

fn rest_and_length(said: &[u8]) -> (u64, &[u8]) {
    match said.split_first_chunk::<8>() {
        Some((length, rest)) => (u64::from_be_bytes(*length), rest),
        None => (100, said),
    }
}
