//! The journals of the LSM store, looked at before it replays them.
//!
//! A journal is a row of batches: a start (tag 1, how many items, sequence number), items (tag 2), an end (tag 3,
//! XXH3-64 over the items, `FJL` and 3); behind the last one, zeros or nothing. Two things are done here that the
//! LSM store does not do:
//! - The sequence numbers, which no checksum covers, have to rise. A flipped bit in one would put an old value in
//!   front of a newer one.
//! - A last batch that is torn is cut off: the power went before it was synced, so nobody was told of it. The LSM
//!   store would refuse to open where its end had reached the disk and its middle had not.
//!
//! What is broken *before* other batches is left to the LSM store, which refuses to open, or goes on without what
//! follows; then the second heads tell what is missing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::error::OpenError;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const MAGIC: [u8; 4] = *b"FJL\x03";

/// Looks at all journals of a database.
pub(super) fn check(database: &Path) -> Result<(), OpenError> {
    let journals = journals(database)?;
    let mut previous = None;
    for (n, path) in journals.iter().enumerate() {
        let content = fs::read(path).map_err(|error| OpenError::io(path, error))?;
        let scan = scan(&content, previous).map_err(|what| OpenError::damaged(path, what))?;
        previous = scan.last;
        let newest = n + 1 == journals.len();
        match scan.rest {
            Rest::Nothing => {}
            Rest::Torn if newest => {
                tracing::warn!("The last write before the process ended was not finished; it is cut off");
                cut(path, scan.whole).map_err(|error| OpenError::io(path, error))?;
            }
            Rest::Torn | Rest::Broken => {
                tracing::error!("{} is broken behind byte {}", path.display(), scan.whole);
            }
        }
    }
    Ok(())
}

/// The journals, oldest first.
fn journals(database: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let io = |error| OpenError::io(database, error);
    let mut journals = Vec::new();
    for entry in fs::read_dir(database).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let number =
            path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        journals.extend(number.map(|number| (number, path)));
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

fn cut(path: &Path, length: usize) -> std::io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_len(length as u64)?;
    file.sync_all()
}

#[derive(Debug, PartialEq, Eq)]
struct Scan {
    /// How many bytes hold whole batches.
    whole: usize,
    /// The sequence number of the last of them, or of the one before the first.
    last: Option<u64>,
    rest: Rest,
}

/// What is behind the last whole batch.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    /// Nothing, or room for more.
    Nothing,
    /// One batch that is not whole.
    Torn,
    /// Anything else.
    Broken,
}

fn scan(content: &[u8], previous: Option<u64>) -> Result<Scan, String> {
    let mut rest = content;
    let mut last = previous;
    while let Some((number, behind)) = batch(rest) {
        if last.is_some_and(|last| number <= last) {
            let at = content.len() - rest.len();
            return Err(format!("the sequence number at byte {at} does not rise"));
        }
        last = Some(number);
        rest = behind;
    }
    Ok(Scan { whole: content.len() - rest.len(), last, rest: classify(rest) })
}

fn classify(rest: &[u8]) -> Rest {
    if empty(rest) {
        return Rest::Nothing;
    }
    // The commit of one batch is synced before the next one is begun, so an unsynced batch is the last one.
    match rest.windows(MAGIC.len()).position(|window| window == MAGIC) {
        Some(end) if !empty(&rest[end + MAGIC.len()..]) => Rest::Broken,
        _ => Rest::Torn,
    }
}

/// Only zeros, of which a journal may hold many megabytes.
fn empty(rest: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    rest.chunks(ZEROS.len()).all(|chunk| *chunk == ZEROS[..chunk.len()])
}

/// The sequence number of a whole batch, and what is behind it.
fn batch(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    if *tag != START {
        return None;
    }
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let (number, mut rest) = rest.split_first_chunk::<8>()?;
    let mut hash = Xxh3::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (item, behind) = rest.split_at_checked(item_length(rest)?)?;
        hash.update(item);
        rest = behind;
    }
    let (tag, rest) = rest.split_first()?;
    let (checksum, rest) = rest.split_first_chunk::<8>()?;
    let (magic, rest) = rest.split_first_chunk::<4>()?;
    let whole = *tag == END && u64::from_le_bytes(*checksum) == hash.digest() && *magic == MAGIC;
    whole.then_some((u64::from_le_bytes(*number), rest))
}

/// The length of the item that begins here: `tag type compression keyspace key-length value-length stored-length key
/// value`, or `tag keyspace` for one that clears a keyspace.
fn item_length(bytes: &[u8]) -> Option<usize> {
    match *bytes.first()? {
        ITEM => {
            let (key, rest) = bytes.get(11..)?.split_first_chunk::<2>()?;
            let stored = rest.get(4..)?.first_chunk::<4>()?;
            let value = usize::try_from(u32::from_le_bytes(*stored)).ok()?;
            (11 + 2 + 4 + 4_usize).checked_add(usize::from(u16::from_le_bytes(*key)))?.checked_add(value)
        }
        CLEAR => Some(9),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut item = vec![ITEM, 0, 0];
        item.extend(7_u64.to_le_bytes());
        item.extend(u16::try_from(key.len()).unwrap().to_le_bytes());
        let length = u32::try_from(value.len()).unwrap().to_le_bytes();
        item.extend([length, length].concat());
        item.extend([key, value].concat());
        item
    }

    fn whole(number: u64, items: &[Vec<u8>]) -> Vec<u8> {
        let mut batch = vec![START];
        batch.extend(u32::try_from(items.len()).unwrap().to_le_bytes());
        batch.extend(number.to_le_bytes());
        batch.extend(items.concat());
        batch.push(END);
        batch.extend(xxhash_rust::xxh3::xxh3_64(&items.concat()).to_le_bytes());
        batch.extend(MAGIC);
        batch
    }

    fn three() -> (Vec<u8>, usize) {
        let batch = |number| whole(number, &[item(b"key", b"value"), item(b"other", &[9; 300])]);
        let two = [batch(1), batch(4)].concat();
        ([two.clone(), batch(5)].concat(), two.len())
    }

    #[test]
    fn whole_batches_with_nothing_or_zeros_behind_them() {
        let (content, _) = three();
        let whole = content.len();
        for room in [0, 1, 1000] {
            let content = [content.clone(), vec![0; room]].concat();
            assert_eq!(scan(&content, Some(0)), Ok(Scan { whole, last: Some(5), rest: Rest::Nothing }));
        }
        assert_eq!(scan(&[], Some(3)), Ok(Scan { whole: 0, last: Some(3), rest: Rest::Nothing }));
    }

    #[test]
    fn numbers_that_do_not_rise_are_refused() {
        let (content, _) = three();
        assert_eq!(scan(&content, Some(1)), Err("the sequence number at byte 0 does not rise".to_owned()));
        let twice = [content.clone(), content].concat();
        assert!(scan(&twice, None).unwrap_err().contains("does not rise"));
    }

    #[test]
    fn a_last_batch_with_a_hole_is_torn_and_an_earlier_one_is_broken() {
        let (content, two) = three();
        for (hole, whole, rest) in [(two + 60, two, Rest::Torn), (60, 0, Rest::Broken)] {
            let mut content = [content.clone(), vec![0; 100]].concat();
            content[hole..hole + 30].fill(0);
            assert_eq!(scan(&content, None).unwrap(), Scan { whole, last: (whole > 0).then_some(4), rest });
        }
    }

    proptest! {
        #[test]
        fn a_cut_journal_keeps_its_whole_batches(at in 0..1000_usize) {
            let (content, two) = three();
            let at = at % content.len();
            let found = scan(&content[..at], None).unwrap();
            prop_assert!(found.whole <= at && (at < two || found.whole == two));
            prop_assert!(found.rest != Rest::Broken);
        }

        #[test]
        fn any_bytes_are_survived(content: Vec<u8>) {
            let _ = scan(&content, None);
        }

        #[test]
        fn any_bytes_that_look_like_a_journal_are_survived(at: prop::sample::Index, byte: u8, length: u16) {
            let (mut content, _) = three();
            let at = at.index(content.len());
            content[at] = byte;
            content.truncate(usize::from(length));
            let _ = scan(&content, None);
        }
    }
}
