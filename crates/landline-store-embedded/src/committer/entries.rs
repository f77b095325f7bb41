//! Writing the registry, and bringing back what only the second database kept of it.

use std::ops::Bound::{Excluded, Included};

use bytes::Bytes;
use landline_core::store::{PutError, Table, Version, check_entry};

use super::group::Group;
use crate::error::Trouble;
use crate::schema::StoredEntry;
use crate::schema::keys::{self, tag};
use crate::tables::{Keep, Tables};

impl Group<'_> {
    pub(super) fn put_entry(
        &mut self,
        table: Table,
        name: &str,
        value: Bytes,
        expected: Option<Version>,
    ) -> Result<Version, PutError> {
        check_entry(name, &value).map_err(PutError::Unavailable)?;
        let found = self.entry(table, name, expected)?;
        self.room.for_new().map_err(PutError::Unavailable)?;
        let (writes, version) = found.map_or((0, 0), |entry| (entry.writes, entry.version.0));
        let version = Version(version + 1);
        self.set_entry(table, name, &StoredEntry { writes: writes + 1, version, value: Some(value) });
        Ok(version)
    }

    pub(super) fn take_entry(&mut self, table: Table, name: &str, expected: Version) -> Result<(), PutError> {
        let Some(found) = self.entry(table, name, Some(expected))? else {
            return Err(PutError::Conflict(None));
        };
        self.room.for_less().map_err(PutError::Unavailable)?;
        self.set_entry(table, name, &StoredEntry { writes: found.writes + 1, value: None, ..found });
        Ok(())
    }

    /// The entry, if its version is the expected one.
    fn entry(
        &self,
        table: Table,
        name: &str,
        expected: Option<Version>,
    ) -> Result<Option<StoredEntry>, PutError> {
        let place = keys::entry(table, name);
        let found = self
            .get(Keep::State, &place)
            .and_then(|value| value.map(|value| StoredEntry::decode(&place, &value)).transpose())
            .map_err(|trouble| PutError::Unavailable(trouble.for_store()))?;
        let version = found.as_ref().filter(|entry| entry.value.is_some()).map(|entry| entry.version);
        if version == expected { Ok(found) } else { Err(PutError::Conflict(version)) }
    }

    fn set_entry(&mut self, table: Table, name: &str, entry: &StoredEntry) {
        let place = keys::entry(table, name);
        let value = entry.encode(&place);
        self.put_twice(place, value);
    }
}

/// Writes back into the first database what it lost of the registry. There are few entries, so all are looked at.
pub(super) fn heal(tables: &Tables) -> Result<(), Trouble> {
    let mut lost = Vec::new();
    let view = tables.view();
    for pair in tables.second_range(Included(vec![tag::ENTRY]), Excluded(vec![tag::ENTRY + 1])) {
        let (place, value) = pair?;
        let second = StoredEntry::decode(&place, &value)?;
        let first =
            view.get(Keep::State, &place)?.map(|value| StoredEntry::decode(&place, &value)).transpose()?;
        if first.is_none_or(|first| first.writes < second.writes) {
            lost.push((Keep::State, (place.to_vec(), Some(value.to_vec()))));
        }
    }
    if lost.is_empty() {
        return Ok(());
    }
    tracing::error!("{} registry entries were lost from the log and are brought back", lost.len());
    tables.commit(lost.into_iter()).map_err(Trouble::from)
}
