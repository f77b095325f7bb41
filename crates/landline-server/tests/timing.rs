//! The time that a comparison takes tells nothing of what it compares with: in short. `cargo xtask timing` measures a
//! million of each, in a release build.

use landline_testkit::secrets_timing::{COMPARISONS, leaky};
use landline_testkit::timing::TELLS;

const SAMPLES: usize = 20_000;

/// A leak is there each time; what a busy machine makes of a list of times is not.
const TRIES: u64 = 5;

#[test]
fn s16_no_comparison_tells_how_much_was_right() {
    for (name, compare) in COMPARISONS {
        let tried: Vec<_> = (0..TRIES).map(|seed| compare(SAMPLES, seed)).collect();
        assert!(tried.iter().any(|measured| !measured.tells()), "{name}: {tried:?}");
    }
}

#[test]
fn s16_one_that_stops_at_the_first_difference_is_found() {
    let tried: Vec<_> = (0..TRIES).map(|seed| leaky(SAMPLES, seed)).collect();
    let found = tried.iter().filter(|measured| measured.t.abs() >= TELLS).count();
    assert!(found >= 4, "a leak that is not seen in one of {TRIES} tries may be noise in all: {tried:?}");
}
