//! The lists of tables that the LSM store keeps, looked at before it opens them.
//!
//! Each keyspace has a file `current`: the number of its newest list (8 bytes, little-endian), the XXH3-128 of that
//! list's file (16 bytes), and a zero. The LSM store writes the checksum and does not look at it; a flipped bit in
//! the list could let it pass over a part of the journal, or end in a panic.

use std::fs;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use crate::error::OpenError;

/// Every keyspace of a database has the list that it says it has.
pub(super) fn check(database: &Path) -> Result<(), OpenError> {
    let keyspaces = database.join("keyspaces");
    let entries = fs::read_dir(&keyspaces).map_err(|error| OpenError::io(&keyspaces, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| OpenError::io(&keyspaces, error))?;
        check_keyspace(&entry.path())?;
    }
    Ok(())
}

fn check_keyspace(keyspace: &Path) -> Result<(), OpenError> {
    let file = keyspace.join("current");
    let current = read(&file)?;
    let Some((number, rest)) = current.split_first_chunk::<8>() else {
        return Err(OpenError::damaged(&file, "it is cut"));
    };
    let list = keyspace.join(format!("v{}", u64::from_le_bytes(*number)));
    let mut expected = xxh3_128(&read(&list)?).to_le_bytes().to_vec();
    expected.push(0);
    if rest == expected { Ok(()) } else { Err(OpenError::damaged(&list, "its checksum is wrong")) }
}

/// What has to be there and is not, is damage.
fn read(file: &Path) -> Result<Vec<u8>, OpenError> {
    match fs::read(file) {
        Ok(content) => Ok(content),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(OpenError::damaged(file, "it is missing"))
        }
        Err(error) => Err(OpenError::io(file, error)),
    }
}
