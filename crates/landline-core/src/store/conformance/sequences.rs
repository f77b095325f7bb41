//! Random sequences of operations, done by the engine and by the memory engine: every outcome is the same, and so
//! is what is there in the end.
//!
//! Operations come in bursts: all of a burst is called before any of it is awaited, so that an engine which
//! writes groups has groups to write.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::store::memory::MemoryStore;
use crate::store::{AppendError, PutError, StoreFuture, Table, Version};

#[derive(Clone, Debug)]
enum Step {
    Burst(Vec<Write>),
    Reopen,
}

#[derive(Clone, Debug)]
enum Write {
    Create(usize, Vec<Option<DeliveryState>>),
    Append { conversation: usize, off_by: u64, key: Option<(u8, i64)>, records: Vec<Sent>, facts: Option<u8> },
    SetDelivery(usize, u64, Option<DeliveryState>),
    Expire(usize, u64),
    Delete(usize),
    Repair(usize),
    Put(usize, Option<u64>),
    Take(usize, u64),
}

#[derive(Clone, Debug)]
struct Sent {
    bytes: usize,
    bot: bool,
    delivery: Option<DeliveryState>,
    replaces: Option<u64>,
}

/// Ids that begin like one another.
const IDS: [&str; 4] = ["a", "a-", "ab", "b"];
const NAMES: [&str; 3] = ["", "n", "nn"];

fn delivery() -> impl Strategy<Value = Option<DeliveryState>> {
    prop_oneof![
        Just(None),
        Just(Some(DeliveryState::Pending)),
        Just(Some(DeliveryState::Attempted)),
        proptest::option::of(any::<u16>()).prop_map(|status| Some(DeliveryState::Refused { status })),
        (any::<u32>(), proptest::option::of(any::<u16>())).prop_map(|(n, status)| Some(queued(n, status))),
        (any::<u32>(), proptest::option::of(any::<u16>())).prop_map(|(n, status)| Some(parked(n, status))),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    let conversation = 0..IDS.len();
    let replaces = proptest::option::weighted(0.2, 0..12_u64);
    let sent = (0..40_usize, any::<bool>(), delivery(), replaces)
        .prop_map(|(bytes, bot, delivery, replaces)| Sent { bytes, bot, delivery, replaces });
    let key = proptest::option::of((0..4_u8, 0..40_i64));
    let append = (conversation.clone(), 0..8_u64, key, vec(sent, 0..4), proptest::option::of(any::<u8>()))
        .prop_map(|(conversation, off_by, key, records, facts)| Write::Append {
            conversation,
            off_by,
            key,
            records,
            facts,
        });
    let name = 0..NAMES.len();
    prop_oneof![
        3 => (conversation.clone(), vec(delivery(), 0..3)).prop_map(|(c, records)| Write::Create(c, records)),
        12 => append,
        4 => (conversation.clone(), 0..12_u64, delivery()).prop_map(|(c, p, state)| Write::SetDelivery(c, p, state)),
        2 => (conversation.clone(), 0..12_u64).prop_map(|(c, p)| Write::Expire(c, p)),
        1 => conversation.clone().prop_map(Write::Delete),
        1 => conversation.prop_map(Write::Repair),
        2 => (name.clone(), proptest::option::of(1..4_u64)).prop_map(|(n, version)| Write::Put(n, version)),
        1 => (name, 1..4_u64).prop_map(|(n, version)| Write::Take(n, version)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(prop_oneof![8 => vec(write(), 1..12).prop_map(Step::Burst), 1 => Just(Step::Reopen)], 1..12)
}

pub async fn random_operations_have_the_outcomes_of_the_memory_engine<R: Rig>() {
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let config = Config { cases: R::SEQUENCES, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&steps(), |steps| handle.block_on(compare::<R>(steps)));
        if let Err(failure) = outcome {
            panic!("{failure}");
        }
    });
}

async fn compare<R: Rig>(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let model = MemoryStore::new();
    let mut rig = R::fresh().await;
    for step in steps {
        match step {
            Step::Burst(writes) => {
                let mut expected = Vec::new();
                let mut found = Vec::new();
                for write in &writes {
                    // The model is at its newest at once, so its tail is the one to expect.
                    let tail = tail(&model, write).await;
                    expected.push(perform(&model, write, tail));
                    found.push(perform(rig.store(), write, tail));
                }
                for ((write, expected), found) in writes.iter().zip(expected).zip(found) {
                    prop_assert_eq!(found.await, expected.await, "{:?}", write);
                }
            }
            Step::Reopen => rig = rig.reopen().await.unwrap_or_else(|same| same),
        }
        prop_assert_eq!(contents(rig.store()).await, contents(&model).await);
    }
    Ok(())
}

async fn tail(model: &MemoryStore, write: &Write) -> Position {
    match write {
        Write::Append { conversation, .. } => {
            model.head(&id(IDS[*conversation])).await.map_or(at(1), |head| head.tail)
        }
        _ => Position::START,
    }
}

/// Calls the operation; what it says is told as text, because errors are not compared otherwise.
fn perform(
    store: &(impl LogStore + Registry),
    write: &Write,
    tail: Position,
) -> std::pin::Pin<Box<dyn Future<Output = String> + Send>> {
    match write.clone() {
        Write::Create(conversation, deliveries) => {
            let records = deliveries.into_iter().map(|delivery| (record(2, "created"), delivery)).collect();
            told(store.create(Create { records, ..create(IDS[conversation]) }))
        }
        Write::Append { conversation, off_by, key, records, facts } => {
            // Mostly right; sometimes another tail.
            let expected_tail = if off_by < 7 { tail } else { at(tail.get() + 1) };
            let records = records.iter().map(|sent| new_record(sent, tail)).collect();
            let idempotency = key.map(|(name, not_before)| IdempotencyKey {
                digest: [name; 16],
                not_before: Timestamp::from_millis(not_before),
            });
            let facts = facts.map(|byte| Bytes::from(vec![byte; 9]));
            told(store.append(Append {
                conversation: id(IDS[conversation]),
                expected_tail,
                records,
                idempotency,
                facts,
            }))
        }
        Write::SetDelivery(conversation, position, state) => {
            told(store.set_delivery(&id(IDS[conversation]), at(position), state))
        }
        Write::Expire(conversation, up_to) => told(store.expire(&id(IDS[conversation]), at(up_to))),
        Write::Delete(conversation) => told(LogStore::delete(store, &id(IDS[conversation]))),
        Write::Repair(conversation) => told(store.repair(&id(IDS[conversation]))),
        Write::Put(name, expected) => told(store.put(
            Table::TokenKeys,
            NAMES[name],
            Bytes::from_static(b"value"),
            expected.map(Version),
        )),
        Write::Take(name, expected) => {
            told(Registry::delete(store, Table::TokenKeys, NAMES[name], Version(expected)))
        }
    }
}

fn new_record(sent: &Sent, tail: Position) -> (NewRecord, Option<DeliveryState>) {
    let record = NewRecord {
        // Grows with the log, so that keys grow old.
        time: Timestamp::from_millis(i64::try_from(tail.get() % 1000).unwrap()),
        audience: if sent.bot { Audience::Bot } else { Audience::Everyone },
        body: Bytes::from(vec![b'x'; sent.bytes]),
        replaces: sent.replaces.map(at),
    };
    (record, sent.delivery)
}

/// An error in words that engines share.
trait Outcome: Debug {
    fn told(&self) -> String;
}

impl Outcome for AppendError {
    fn told(&self) -> String {
        match self {
            Self::Unavailable(_) => "unavailable".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

impl Outcome for PutError {
    fn told(&self) -> String {
        match self {
            Self::Unavailable(_) => "unavailable".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

fn told<T: Debug + 'static, E: Outcome + 'static>(
    outcome: StoreFuture<T, E>,
) -> std::pin::Pin<Box<dyn Future<Output = String> + Send>> {
    Box::pin(async move {
        match outcome.await {
            Ok(done) => format!("{done:?}"),
            Err(error) => error.told(),
        }
    })
}

/// All that a store can be asked.
async fn contents(store: &(impl LogStore + Registry)) -> Vec<String> {
    let mut all = vec![
        format!("{:?}", store.conversations(None, 99).await.unwrap()),
        format!("{:?}", store.list(Table::TokenKeys, None, 99).await.unwrap()),
    ];
    for kind in [DeliveryKind::Pending, DeliveryKind::Queued, DeliveryKind::Parked] {
        all.push(format!("{:?}", store.deliveries(kind, None, 999).await.unwrap()));
    }
    for conversation in store.conversations(None, 99).await.unwrap() {
        all.push(format!("{conversation}: {:?}", store.head(&conversation).await.unwrap()));
        for record in everything(store, &conversation).await {
            let delivery = store.delivery(&conversation, record.position).await.unwrap();
            all.push(format!("{record:?} {delivery:?}"));
        }
    }
    all
}
