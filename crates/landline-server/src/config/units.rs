//! Sizes and times as people write them: `256KiB`, `15s`, `30d`.

use std::time::Duration;

const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

const TIMES: [(&str, u64); 5] =
    [("d", 24 * 3600 * 1000), ("h", 3600 * 1000), ("m", 60 * 1000), ("s", 1000), ("ms", 1)];

/// A size in bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    parse(text, &SIZES).ok_or_else(|| {
        format!("{text:?} is not a size; write a whole number and B, KiB, MiB or GiB, such as \"256KiB\"")
    })
}

/// A span of time.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    parse(text, &TIMES).map(Duration::from_millis).ok_or_else(|| {
        format!(
            "{text:?} is not a time; write a whole number and ms, s, m, h or d, such as \"15s\" or \"30d\""
        )
    })
}

/// The shortest exact spelling.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES, "B")
}

/// The shortest exact spelling; what is below a millisecond is dropped.
pub(crate) fn show_time(time: Duration) -> String {
    show(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), &TIMES, "s")
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn show(value: u64, units: &[(&str, u64)], unit_of_zero: &str) -> String {
    let exact = units.iter().find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor));
    exact.map_or_else(
        || format!("{value}{unit_of_zero}"),
        |(unit, factor)| format!("{}{unit}", value / factor),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("0B", 0), ("1B", 1), ("256KiB", 262_144), ("4 MiB", 4_194_304), ("1GiB", 1 << 30)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in [
            "",
            "1",
            "KiB",
            "-1B",
            "1.5MiB",
            "1KB",
            "1kib",
            "99999999999999999999B",
            "18446744073709551615GiB",
        ] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times() {
        for (text, millis) in [
            ("0s", 0),
            ("5ms", 5),
            ("15s", 15_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "15", "s", "1.5s", "1 hour", "-1s", "1M", "1w"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shown_as_people_write_them() {
        assert_eq!(show_size(262_144), "256KiB");
        assert_eq!(show_size(1000), "1000B");
        assert_eq!(show_time(Duration::from_secs(86_400)), "1d");
        assert_eq!(show_time(Duration::from_secs(90)), "90s");
        assert_eq!(show_time(Duration::from_millis(1500)), "1500ms");
        assert_eq!(show_time(Duration::ZERO), "0s");
        assert_eq!(show_size(0), "0B");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(value in 0_u64..1 << 50) {
            prop_assert_eq!(parse_size(&show_size(value)), Ok(value));
            let time = Duration::from_millis(value);
            prop_assert_eq!(parse_time(&show_time(time)), Ok(time));
        }

        #[test]
        fn any_text_is_a_value_or_an_error(text in ".{0,20}") {
            let _ = parse_size(&text);
            let _ = parse_time(&text);
        }
    }
}
