//! Where an activity stands in its conversation (ours), and the watermark (the client's text for it).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The place of a record in its conversation's log. The first is 1; 0 is *before the first*.
///
/// Strictly increasing, never given twice, not necessarily dense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position(u64);

impl Position {
    /// Before the first record: a reader that has seen nothing is here.
    pub const START: Self = Self(0);

    /// After a restore or a lost tail the next position jumps by this much, so that any older
    /// watermark stays behind everything new.
    pub const JUMP: u64 = 1 << 20;

    /// The position with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number of this position.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position right behind this one; `None` at the end of all numbers.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a client may say in `?watermark=`: the position of the last activity that it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watermark {
    /// The parameter is not there.
    Absent,
    /// The parameter is there with nothing behind it: the stock client's *I have seen nothing*.
    Empty,
    /// After this position. `-` and `0` are [`Position::START`].
    After(Position),
}

/// A text that is no watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a watermark; send back the `watermark` of the last answer, or `-` to begin at the first activity"
)]
pub struct InvalidWatermark;

/// The most digits that a `u64` has.
const MAX_DIGITS: usize = 20;

impl Watermark {
    /// Reads the value of the query parameter; `None` when it is absent.
    ///
    /// # Errors
    /// [`InvalidWatermark`] for all but decimal digits (20 at the most, up to `u64::MAX`), `-` and nothing.
    pub fn parse(value: Option<&str>) -> Result<Self, InvalidWatermark> {
        match value {
            None => Ok(Self::Absent),
            Some("") => Ok(Self::Empty),
            Some("-") => Ok(Self::After(Position::START)),
            Some(text) if text.len() <= MAX_DIGITS && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().map(|number| Self::After(Position(number))).map_err(|_| InvalidWatermark)
            }
            Some(_) => Err(InvalidWatermark),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn watermark_text() {
        check(None, Some(Watermark::Absent));
        check(Some(""), Some(Watermark::Empty));
        check(Some("-"), Some(Watermark::After(Position::START)));
        check(Some("0"), Some(Watermark::After(Position::START)));
        check(Some("42"), Some(Watermark::After(Position::new(42))));
        check(Some("0000042"), Some(Watermark::After(Position::new(42))));
        check(Some("18446744073709551615"), Some(Watermark::After(Position::new(u64::MAX))));
        for bad in ["18446744073709551616", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "٣", "--", "a", "\0"]
        {
            check(Some(bad), None);
        }
        check(Some(&"0".repeat(21)), None);
    }

    #[track_caller]
    fn check(text: Option<&str>, expected: Option<Watermark>) {
        assert_eq!(Watermark::parse(text).ok(), expected, "{text:?}");
    }

    proptest! {
        #[test]
        fn a_printed_position_reads_back(number: u64) {
            let text = Position::new(number).to_string();
            prop_assert_eq!(Watermark::parse(Some(&text)), Ok(Watermark::After(Position::new(number))));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let accepted = Watermark::parse(Some(&text)).is_ok();
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            prop_assert!(!accepted || digits || text == "-");
        }
    }
}
