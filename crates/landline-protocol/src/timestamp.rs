//! A moment, as activities spell it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment so many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, as JWTs count.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Reads ISO 8601 with an offset from UTC, such as [`Self`] is spelled by bots of all kinds. What is below a
    /// millisecond is cut off.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|moment| Self(moment.as_millisecond()))
    }

    /// This moment and a while; stops at the end of time instead of wrapping.
    pub fn plus(self, while_: std::time::Duration) -> Self {
        let millis = i64::try_from(while_.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

/// ISO 8601 in UTC with milliseconds: `2026-11-21T08:15:00.120Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        });
        write!(f, "{moment:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_as_bots_spell_it() {
        for (text, millis) in [
            ("2026-09-21T14:13:20.120Z", Some(1_790_000_000_120)),
            ("2026-09-21T14:13:20.1209999Z", Some(1_790_000_000_120)),
            ("2026-09-21T16:13:20+02:00", Some(1_790_000_000_000)),
            ("2026-09-21T14:13:20.120", None),
            ("2026-09-21", None),
            ("now", None),
        ] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::as_millis), millis, "{text}");
        }
    }

    #[test]
    fn spelled_as_iso_8601() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(1_790_000_000_120).to_string(), "2026-09-21T14:13:20.120Z");
        assert!(Timestamp::from_millis(i64::MAX).to_string().ends_with('Z'));
        assert!(Timestamp::from_millis(i64::MIN).to_string().ends_with('Z'));
    }
}
