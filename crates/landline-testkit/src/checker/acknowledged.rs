//! I1: every acknowledged activity is in the final read. (That it is there once: `once.rs`; in the place
//! that was named: `place.rs`.)

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Found, Index, Invariant};

pub(super) fn check(index: &Index<'_>, found: &mut Found<'_>) {
    let mut at_the_end: HashMap<&str, Option<HashSet<&str>>> = HashMap::new();
    let mut unread: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, payload) in &index.payloads {
        if payload.acknowledged.is_none() {
            continue;
        }
        let read = at_the_end.entry(payload.conversation).or_insert_with(|| {
            let read = index.final_read(payload.conversation)?;
            Some(read.map(|seen| seen.payload.as_str()).collect())
        });
        let Some(read) = read else {
            *unread.entry(payload.conversation).or_default() += 1;
            continue;
        };
        if !read.contains(name) {
            let place = match payload.positions.first() {
                Some(position) => format!("as position {position}"),
                None => "without a position".to_owned(),
            };
            let what = format!(
                "{name} was acknowledged in {} {place}, and is not in the final read",
                payload.conversation
            );
            found(Invariant::Acknowledged, what);
        }
    }
    for (conversation, count) in unread {
        let what =
            format!("{conversation} has {count} acknowledged activities, and nobody read it at the end");
        found(Invariant::Acknowledged, what);
    }
}
