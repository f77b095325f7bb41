//! Values of the embedded store, as they may stand on disk.

use landline_store_embedded::fuzzing::{Value, reread_place};

use crate::Target;
use crate::input::split;

pub(crate) const TARGET: Target = Target {
    name: "records",
    longest: 4096,
    share: 2,
    claim: "a value is read or refused; one that is read and written again is the same to the last byte, so no two values \
            mean one thing; without the right checksum nothing is read, nor at another place; so are keys",
    run,
};

const PLACE: &[u8] = b"conversation1\0\0\0\0\0\0\0\0\x07";

/// How many bytes a checksum has, at the end of each value.
const CHECKSUM: usize = 8;

fn run(data: &[u8]) {
    let (kind, content) = split(data);
    if kind == u8::MAX {
        if let Some(again) = reread_place(content) {
            assert_eq!(again, content);
        }
        return;
    }
    let value = Value::ALL[usize::from(kind) % Value::ALL.len()];
    // As it may come from a disk: never by accident. libFuzzer, which sees what is compared, may come by a right checksum.
    let before_checksum = &content[..content.len().saturating_sub(CHECKSUM)];
    if value.sealed(PLACE, before_checksum) != content {
        assert_eq!(value.reread(PLACE, 7, content), None, "a value without a checksum");
    }

    let sealed = value.sealed(PLACE, content);
    if let Some(again) = value.reread(PLACE, 7, &sealed) {
        assert_eq!(again, sealed, "{value:?}");
        assert_eq!(value.reread(b"another place", 7, &sealed), None, "{value:?} in another place");
        for other in Value::ALL.into_iter().filter(|other| *other != value) {
            assert_eq!(other.reread(PLACE, 7, &sealed), None, "{value:?} taken for {other:?}");
        }
        let mut flipped = sealed;
        let at = content.len() % flipped.len();
        flipped[at] ^= 1;
        assert_eq!(value.reread(PLACE, 7, &flipped), None, "{value:?} with a bit flipped");
    }
}
