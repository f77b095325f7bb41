//! The suite that every engine runs: one function per claim of the contract in [`super`].
//!
//! An engine's tests are one line, `landline_core::store_conformance!(MyRig);`, where `MyRig` is a [`Rig`]; that
//! makes a test of every claim, by its name. A new claim is added to the module it belongs to *and* to the list in
//! [`store_conformance!`](crate::store_conformance).
//!
//! Not here: what only one engine promises (damage found, a second process refused, a full disk).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "these are tests; they live in a library so that every engine runs the same ones"
)]

pub mod appending;
pub mod blobs;
pub mod deliveries;
pub mod durability;
pub mod forgetting;
pub mod listing;
pub mod order;
pub mod reading;
pub mod registry;
pub mod replacing;
pub mod sequences;

use std::fmt::Debug;
use std::future::Future;

use bytes::Bytes;
use landline_protocol::{ConversationId, Position, Timestamp};

use super::{
    Append, Audience, Create, DeliveryKind, DeliveryState, Head, IdempotencyKey, ListedDelivery, LogStore,
    NewRecord, Page, PageLimit, Parked, Queued, Record, Registry,
};

/// How an engine is set up for a test.
pub trait Rig: Debug + Send + Sync + Sized + 'static {
    /// The engine.
    type Store: LogStore + Registry;

    /// How many random sequences of operations are tried.
    const SEQUENCES: u32;

    /// An empty store.
    fn fresh() -> impl Future<Output = Self> + Send;

    /// The store.
    fn store(&self) -> &Self::Store;

    /// Closes the store and opens it again over the same data; `Err` hands back the rig of an engine that keeps
    /// nothing.
    fn reopen(self) -> impl Future<Output = Result<Self, Self>> + Send;
}

/// Makes a test of every claim for one [`Rig`].
#[macro_export]
macro_rules! store_conformance {
    ($rig:ty) => {
        $crate::store_conformance! { @tests $rig;
            appending::{
                a_new_conversation_has_the_head_that_it_was_given,
                create_logs_its_first_records,
                a_second_create_changes_nothing,
                an_unknown_conversation_is_not_found,
                records_stand_at_the_positions_that_were_expected,
                records_come_back_as_they_were_handed_in,
                another_tail_is_a_conflict_and_nothing_is_written,
                an_append_of_nothing_is_refused,
                facts_change_without_a_record,
                a_key_is_found_without_writing,
                facts_change_only_where_new_ones_are_given,
                a_repeated_key_is_a_duplicate_of_the_first_record,
                the_key_is_looked_at_before_the_tail,
                a_key_counts_in_its_own_conversation_only,
                a_key_older_than_its_limit_does_not_count,
                what_was_refused_leaves_no_trace,
            }
            reading::{
                pages_follow_one_another_without_gap_or_repeat,
                a_page_holds_at_most_so_many_records,
                a_page_stops_behind_the_record_that_reaches_the_bytes,
                a_page_holds_a_record_however_small_the_limit,
                the_end_of_the_log_is_an_empty_page,
                behind_the_end_is_past_the_tail,
                a_write_that_was_answered_is_read_at_once,
            }
            deliveries::{
                a_delivery_state_is_set_with_its_record,
                a_delivery_state_is_changed_and_taken_away,
                a_delivery_state_needs_a_record,
                a_delivery_is_listed_with_its_kind_alone,
                deliveries_come_in_order_and_in_pages,
            }
            replacing::{
                a_replaced_record_knows_the_newest_that_replaces_it,
                a_replacement_is_one_write_with_its_records,
                what_is_not_there_cannot_be_replaced,
                a_replacement_is_not_replaced_itself,
                two_replacements_in_one_append_leave_the_last,
                what_replaces_an_expired_record_still_knows_the_newest,
                a_deleted_conversation_leaves_no_replacements_behind,
                a_repaired_log_keeps_its_replacements,
                replacements_are_there_after_reopening,
            }
            forgetting::{
                expired_records_are_gone_with_keys_and_deliveries,
                a_log_goes_on_after_all_of_it_expired,
                expiry_never_goes_back_and_never_beyond_the_end,
                a_deleted_conversation_is_gone_with_everything,
                deleting_touches_no_other_conversation,
                deleting_what_is_not_there_is_no_error,
                a_deleted_id_begins_anew,
                a_large_conversation_is_deleted_whole,
                repair_lets_the_tail_of_a_healthy_log_jump,
            }
            listing::{
                conversations_come_in_order_and_in_pages,
            }
            order::{
                work_is_done_in_the_order_of_the_calls,
                a_dropped_future_cancels_nothing,
                of_many_appends_at_one_tail_one_wins,
                of_many_sends_with_one_key_one_is_logged,
                many_writers_to_many_conversations_lose_nothing,
                readers_see_whole_appends_in_order_while_writers_write,
                readers_of_a_conversation_that_comes_and_goes_see_it_whole_or_not_at_all,
            }
            registry::{
                a_value_is_written_only_over_the_version_that_was_expected,
                a_version_never_goes_back,
                entries_come_in_order_and_in_pages,
                tables_are_apart,
                names_and_values_have_limits,
                of_many_writers_of_an_entry_one_wins,
            }
            durability::{
                everything_is_there_after_reopening,
                what_was_forgotten_stays_forgotten_after_reopening,
            }
            sequences::{
                random_operations_have_the_outcomes_of_the_memory_engine,
            }
        }
    };
    (@tests $rig:ty; $($module:ident::{ $($claim:ident,)+ })+) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                $crate::store::conformance::$module::$claim::<$rig>().await;
            })+
        })+
    };
}

/// More than any test here writes.
const ALL: PageLimit = PageLimit { records: 1_000_000, bytes: usize::MAX };

fn id(text: &str) -> ConversationId {
    text.parse().unwrap()
}

fn at(number: u64) -> Position {
    Position::new(number)
}

fn record(time: i64, body: &str) -> NewRecord {
    NewRecord {
        time: Timestamp::from_millis(time),
        audience: Audience::Everyone,
        body: Bytes::copy_from_slice(body.as_bytes()),
        replaces: None,
    }
}

fn key(name: u8) -> IdempotencyKey {
    IdempotencyKey { digest: [name; 16], not_before: Timestamp::from_millis(0) }
}

fn queued(attempts: u32, last_status: Option<u16>) -> DeliveryState {
    let (due, since) = (Timestamp::from_millis(-5), Timestamp::from_millis(i64::MAX));
    DeliveryState::Queued(Queued { attempts, due, since, waited_ms: u64::MAX, last_status })
}

fn parked(attempts: u32, last_status: Option<u16>) -> DeliveryState {
    DeliveryState::Parked(Parked { attempts, since: Timestamp::from_millis(i64::MIN), last_status })
}

/// The places of all deliveries of one kind.
async fn listed(store: &impl LogStore, kind: DeliveryKind) -> Vec<(ConversationId, Position)> {
    store.deliveries(kind, None, 10_000).await.unwrap().iter().map(ListedDelivery::place).collect()
}

async fn pending(store: &impl LogStore) -> Vec<(ConversationId, Position)> {
    listed(store, DeliveryKind::Pending).await
}

/// Records without delivery states.
fn plain(records: impl IntoIterator<Item = NewRecord>) -> Vec<(NewRecord, Option<DeliveryState>)> {
    records.into_iter().map(|record| (record, None)).collect()
}

fn create(conversation: &str) -> Create {
    Create {
        conversation: id(conversation),
        time: Timestamp::from_millis(1),
        facts: Bytes::from_static(b"facts"),
        records: Vec::new(),
    }
}

/// One record, at this tail.
fn append(conversation: &str, tail: u64, body: &str) -> Append {
    Append {
        conversation: id(conversation),
        expected_tail: at(tail),
        records: plain([record(i64::try_from(tail).unwrap(), body)]),
        idempotency: None,
        facts: None,
    }
}

/// A conversation with one record for each body, from position 1.
async fn filled(store: &impl LogStore, conversation: &str, bodies: &[&str]) {
    store.create(create(conversation)).await.unwrap();
    for (tail, body) in (1..).zip(bodies) {
        store.append(append(conversation, tail, body)).await.unwrap();
    }
}

async fn head(store: &impl LogStore, conversation: &str) -> Head {
    store.head(&id(conversation)).await.unwrap()
}

async fn page(store: &impl LogStore, conversation: &str, after: u64, limit: PageLimit) -> Page {
    store.read(&id(conversation), at(after), limit).await.unwrap()
}

/// Everything that can be read of a conversation, page by page.
async fn everything(store: &impl LogStore, conversation: &ConversationId) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map_or(Position::START, |record| record.position);
        let page = store.read(conversation, after, PageLimit { records: 7, bytes: 1 << 20 }).await.unwrap();
        if page.records.is_empty() {
            return all;
        }
        all.extend(page.records);
    }
}

async fn bodies(store: &impl LogStore, conversation: &str) -> Vec<String> {
    texts(&everything(store, &id(conversation)).await)
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.body).into_owned()).collect()
}

fn positions(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.position.get()).collect()
}
