//! The registry in memory: values by table and name, and how often each was written.
//!
//! Invariant: what was deleted leaves its version behind, so that the next one is higher.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

use bytes::Bytes;

use crate::store::{PutError, Table, Version, Versioned, check_entry};

#[derive(Debug, Default)]
pub(super) struct Entries {
    written: BTreeMap<(Table, String), Written>,
}

#[derive(Debug)]
struct Written {
    version: Version,
    /// `None` when it was deleted.
    value: Option<Bytes>,
}

impl Written {
    fn live(&self) -> Option<Versioned> {
        self.value.clone().map(|value| Versioned { value, version: self.version })
    }
}

impl Entries {
    pub(super) fn get(&self, table: Table, name: &str) -> Option<Versioned> {
        self.written.get(&(table, name.to_owned())).and_then(Written::live)
    }

    pub(super) fn put(
        &mut self,
        table: Table,
        name: &str,
        value: Bytes,
        expected: Option<Version>,
    ) -> Result<Version, PutError> {
        check_entry(name, &value).map_err(PutError::Unavailable)?;
        self.expect(table, name, expected)?;
        let key = (table, name.to_owned());
        let version = Version(self.written.get(&key).map_or(0, |written| written.version.0) + 1);
        self.written.insert(key, Written { version, value: Some(value) });
        Ok(version)
    }

    pub(super) fn delete(&mut self, table: Table, name: &str, expected: Version) -> Result<(), PutError> {
        self.expect(table, name, Some(expected))?;
        if let Some(written) = self.written.get_mut(&(table, name.to_owned())) {
            written.value = None;
        }
        Ok(())
    }

    fn expect(&self, table: Table, name: &str, expected: Option<Version>) -> Result<(), PutError> {
        let found = self.get(table, name).map(|entry| entry.version);
        if found == expected { Ok(()) } else { Err(PutError::Conflict(found)) }
    }

    pub(super) fn list(&self, table: Table, after: Option<String>, limit: usize) -> Vec<(String, Versioned)> {
        let first = after.map_or(Included((table, String::new())), |name| Excluded((table, name)));
        self.written
            .range((first, Unbounded))
            .take_while(|((found, _), _)| *found == table)
            .filter_map(|((_, name), written)| Some((name.clone(), written.live()?)))
            .take(limit)
            .collect()
    }
}
