//! I7: whatever a reader or the bot was ever shown is in the final read: nothing is shown that a crash takes back.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::index::At;
use super::{Found, Index, Invariant};
use crate::history::Position;

/// What the end looked like in one conversation.
struct End<'h> {
    began: At,
    watermark: Position,
    payloads: HashSet<&'h str>,
}

pub(super) fn check(index: &Index<'_>, found: &mut Found<'_>) {
    let ends: HashMap<&str, Option<End<'_>>> =
        index.conversations.keys().map(|conversation| (*conversation, end_of(index, conversation))).collect();
    let mut unread: BTreeMap<&str, usize> = BTreeMap::new();
    let mut reported = HashSet::new();
    for sighting in &index.sightings {
        let Some(Some(end)) = ends.get(sighting.conversation) else {
            *unread.entry(sighting.conversation).or_default() += 1;
            continue;
        };
        // What was appended while the end was being read may stand behind it.
        let behind_the_end = sighting.at > end.began && sighting.position > end.watermark;
        let gone = !behind_the_end && !end.payloads.contains(sighting.payload);
        if gone && reported.insert((sighting.conversation, sighting.payload)) {
            let what = format!(
                "{} saw {} at {} of {}, and it is not in the final read",
                sighting.by, sighting.payload, sighting.position, sighting.conversation
            );
            found(Invariant::Kept, what);
        }
    }
    for (conversation, count) in unread {
        let what = format!("{count} activities of {conversation} were seen, and nobody read it at the end");
        found(Invariant::Kept, what);
    }
}

fn end_of<'h>(index: &Index<'h>, conversation: &str) -> Option<End<'h>> {
    let number = index.conversations.get(conversation)?.final_read?;
    let connection = &index.connections[number];
    Some(End {
        began: connection.opened,
        watermark: connection.pages.last().map_or(0, |(_, page)| page.watermark),
        payloads: index.final_read(conversation)?.map(|seen| seen.payload.as_str()).collect(),
    })
}
