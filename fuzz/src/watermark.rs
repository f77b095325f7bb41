//! `?watermark=` and `?wait=`.

use landline_protocol::{Position, Watermark};
use landline_server::fuzzing;

use crate::Target;
use crate::input::{split, text};

pub(crate) const TARGET: Target = Target {
    name: "watermark",
    longest: 256,
    share: 1,
    claim: "decimal digits, `-` and nothing are watermarks and all else is none; a position that was printed reads back; \
            a wait is below what the stock client stands",
    run,
};

fn run(data: &[u8]) {
    let (kind, rest) = split(data);
    let said = text(rest);
    match kind % 3 {
        0 => of_a_value(&said),
        1 => of_a_query(&said),
        _ => {
            let mut number = [0; 8];
            number.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            let position = Position::new(u64::from_be_bytes(number));
            assert_eq!(Watermark::parse(Some(&position.to_string())), Ok(Watermark::After(position)));
        }
    }
}

fn of_a_value(said: &str) {
    let digits = !said.is_empty() && said.len() <= 20 && said.bytes().all(|byte| byte.is_ascii_digit());
    let expected = match said {
        "" => Some(Watermark::Empty),
        "-" => Some(Watermark::After(Position::START)),
        // As a number of any size, so that nothing wraps.
        _ if digits => said
            .parse::<u128>()
            .ok()
            .and_then(|number| u64::try_from(number).ok())
            .map(|number| Watermark::After(Position::new(number))),
        _ => None,
    };
    assert_eq!(Watermark::parse(Some(said)).ok(), expected, "{said:?}");
}

fn of_a_query(said: &str) {
    if let Some(Watermark::After(position)) = fuzzing::watermark(Some(said)) {
        let value = fuzzing::parameter(Some(said), "watermark").expect("a value");
        assert!(value == "-" || value.parse() == Ok(position.get()));
    }
    if let Some(wait) = fuzzing::wait(Some(said)) {
        assert!(wait <= landline_core::limits::MAX_POLL_WAIT);
    }
}
