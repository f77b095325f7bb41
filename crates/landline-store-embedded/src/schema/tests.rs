//! The format does not change unseen, reads back, and survives any bytes.

use bytes::Bytes;
use landline_core::store::{Audience, DeliveryState, NewRecord, Parked, Queued, Table, Version};
use landline_protocol::{ConversationId, Position, Timestamp};
use proptest::prelude::*;

use super::keys::tag;
use super::layout::{Kind, Writer};
use super::*;
use crate::error::Trouble;

fn id() -> ConversationId {
    "abc".parse().unwrap()
}

fn at(number: u64) -> Position {
    Position::new(number)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every kind of key and value, in hexadecimal: what format 1 is. A line that has to be changed here is a change
/// of the format, which needs a new number and a way to read the old one.
#[test]
fn format_1_is_these_bytes() {
    let new = NewRecord {
        time: Timestamp::from_millis(1_700_000_000_123),
        audience: Audience::Everyone,
        body: Bytes::from_static(b"{\"type\":\"message\"}"),
        replaces: None,
    };
    let place = keys::place(&id(), at(1));
    check("record key", &place, "616263000000000000000001");
    let (first, checksum) = StoredRecord::encode(&place, Link::default(), None, &new);
    check("record", &first, FIRST_RECORD);
    let second = keys::place(&id(), at(2));
    let for_bot = NewRecord { audience: Audience::Bot, ..new };
    let link = Link { position: at(1), checksum };
    check("record with key", &StoredRecord::encode(&second, link, Some(&[7; 16]), &for_bot).0, SECOND_RECORD);

    let place = keys::tagged(tag::HEAD, &id());
    check("head key", &place, "68616263");
    let head = StoredHead {
        revision: 9,
        last: Link { position: at(5), checksum: 55 },
        tail: at(1_048_581),
        expired_through: at(3),
        base: Link { position: at(2), checksum: 22 },
        last_time: Timestamp::from_millis(-2),
        facts_checksum: 77,
        roots: 0,
    };
    check("head", &head.encode(&place), HEAD);

    let place = keys::tagged(tag::FACTS, &id());
    check("facts key", &place, "66616263");
    check("facts", &encode_facts(&place, b"facts").0, "016661637473dfd23b66fa5de660");
    let place = keys::idempotency(&id(), &[7; 16]);
    check("idempotency key", &place, "6b6162630007070707070707070707070707070707");
    let sent = Sent { position: at(5), time: Timestamp::from_millis(6) };
    check("sent", &sent.encode(&place), "01000000000000000500000000000000065b794b6f1b848f19");
    let place = keys::delivery(tag::DELIVERY, &id(), at(5));
    check("delivery key", &place, "64616263000000000000000005");
    let refused = DeliveryState::Refused { status: Some(502) };
    check("delivery", &encode_delivery(&place, refused), "010301f6193582213b95aa38");
    let place = keys::place(&id(), at(5));
    check("pending", &encode_delivery(&place, DeliveryState::Pending), "01000000f8f510571cd26208");
    let place = keys::tagged(tag::DELETING, &id());
    check("mark key", &place, "78616263");
    check("mark", &encode_mark(&place), "010ca8180e3c6f9cca");
    let place = keys::entry(Table::SiteSecrets, "name");
    check("entry key", &place, "72016e616d65");
    let entry = StoredEntry { writes: 4, version: Version(3), value: Some(Bytes::from_static(b"value")) };
    check("entry", &entry.encode(&place), "01000000000000000400000000000000030176616c756531138454f7d40bad");
    assert_eq!(keys::entries(Table::TokenKeys), [b'r', 2]);
    assert_eq!(keys::entries(Table::BotCapabilities), [b'r', 3]);
}

/// What format 2 adds; what format 1 has is the same in it.
#[test]
fn format_2_is_these_bytes_besides() {
    let place = keys::place(&id(), at(9));
    let new = NewRecord {
        time: Timestamp::from_millis(1_700_000_000_123),
        audience: Audience::Everyone,
        body: Bytes::from_static(b"{\"type\":\"message\"}"),
        replaces: Some(at(5)),
    };
    let link = Link { position: at(8), checksum: 88 };
    check("replacing record", &StoredRecord::encode(&place, link, Some(&[7; 16]), &new).0, REPLACING_RECORD);
    let place = keys::newest(&id(), at(5));
    check("newest key", &place, "6e616263000000000000000005");
    assert_eq!(keys::position(&place).unwrap(), at(5));
    check("newest", &encode_newest(&place, at(9)), "010000000000000009df495e9207c54f4c");
    let place = keys::tagged(tag::HEAD, &id());
    let head = StoredHead { roots: 3, ..StoredHead::new(Timestamp::from_millis(1), 77) };
    check("head with roots", &head.encode(&place), HEAD_WITH_ROOTS);
    assert_eq!(StoredHead::decode(&place, &head.encode(&place)).unwrap(), head);
    let place = keys::delivery(tag::QUEUED, &id(), at(5));
    check("queued key", &place, "71616263000000000000000005");
    let (since, due) = (Timestamp::from_millis(7), Timestamp::from_millis(-8));
    let queued = Queued { attempts: 3, due, since, waited_ms: 36_000, last_status: Some(503) };
    check("queued", &encode_delivery(&place, DeliveryState::Queued(queued)), QUEUED);
    let queued = Queued { last_status: None, ..queued };
    check("queued without a status", &encode_delivery(&place, DeliveryState::Queued(queued)), UNANSWERED);
    let place = keys::delivery(tag::PARKED, &id(), at(5));
    check("parked key", &place, "70616263000000000000000005");
    let parked = Parked { attempts: 30, since, last_status: Some(410) };
    check("parked", &encode_delivery(&place, DeliveryState::Parked(parked)), PARKED);
    assert_eq!(keys::entries(Table::Bots), [b'r', 4]);
    assert_eq!(keys::entries(Table::Sites), [b'r', 5]);
    assert_eq!(keys::entries(Table::IdentityKeys), [b'r', 6]);
}

const REPLACING_RECORD: &str = concat!(
    "0106000000000000000800000000000000580000018bcfe5687b0707070707070707070707070707070700000000",
    "000000057b2274797065223a226d657373616765227d93e4c3c4c8bb16b7"
);
const QUEUED: &str =
    concat!("010501f7000000000000000300000000000000070000000000008ca0ffff", "fffffffffff8437665f947968b89");
const UNANSWERED: &str =
    concat!("01040000000000000000000300000000000000070000000000008ca0ffff", "fffffffffff87be2c98c14aedb83");
const PARKED: &str = "0107019a000000000000001e0000000000000007a7921f73c5c98eb7";
const HEAD_WITH_ROOTS: &str = concat!(
    "02000000000000000000000000000000000000000000000000000000000000000100000000000000000000000000",
    "00000000000000000000000000000000000001000000000000004d0000000000000003439f44ccf003b1ff"
);

const FIRST_RECORD: &str = concat!(
    "0100000000000000000000000000000000000000018bcfe5687b7b2274797065223a226d657373616765227da87d",
    "94448104ab14"
);
const SECOND_RECORD: &str = concat!(
    "01030000000000000001a87d94448104ab140000018bcfe5687b070707070707070707070707070707077b227479",
    "7065223a226d657373616765227d87a629f15da8849b"
);
const HEAD: &str = concat!(
    "01000000000000000900000000000000050000000000000037000000000010000500000000000000030000000000",
    "0000020000000000000016fffffffffffffffe000000000000004d935050c953b6439b"
);

#[track_caller]
fn check(what: &str, bytes: &[u8], expected: &str) {
    assert_eq!(hex(bytes), expected, "{what}");
}

#[test]
fn what_stands_elsewhere_is_not_believed() {
    let place = keys::place(&id(), at(1));
    let new = NewRecord {
        time: Timestamp::default(),
        audience: Audience::Everyone,
        body: Bytes::new(),
        replaces: None,
    };
    let (record, _) = StoredRecord::encode(&place, Link::default(), None, &new);
    StoredRecord::decode(&place, at(1), &record).unwrap();
    for elsewhere in [keys::place(&id(), at(2)), keys::place(&"abd".parse().unwrap(), at(1))] {
        StoredRecord::decode(&elsewhere, at(1), &record).unwrap_err();
    }
    let head = keys::tagged(tag::HEAD, &id());
    StoredHead::decode(&head, &StoredHead::new(Timestamp::default(), 1).encode(&head)).unwrap();
    // The same bytes as another kind of value.
    let (facts, _) = encode_facts(&head, &[0; 64]);
    StoredHead::decode(&head, &facts).unwrap_err();
}

#[test]
fn a_value_of_another_version_is_damage_and_named() {
    let place = keys::place(&id(), at(1));
    let (value, _) = Writer::new(9, 0).sealed(Kind::Record, &place);
    let Err(Trouble::Damaged(what)) = StoredRecord::decode(&place, at(1), &value) else { panic!() };
    assert_eq!(what, "a record has the unknown version 9");
}

fn positions() -> impl Strategy<Value = Position> {
    any::<u64>().prop_map(Position::new)
}

fn decode_everything(place: &[u8], value: &[u8]) -> Vec<Result<(), Trouble>> {
    vec![
        StoredRecord::decode(place, at(1), value).map(drop),
        StoredHead::decode(place, value).map(drop),
        StoredEntry::decode(place, value).map(drop),
        Sent::decode(place, value).map(drop),
        decode_delivery(place, value).map(drop),
        decode_facts(place, value).map(drop),
        decode_newest(place, value).map(drop),
    ]
}

proptest! {
    #[test]
    fn records_read_back(
        position in positions(), previous in positions(), previous_checksum: u64, time: i64, bot: bool,
        digest: Option<[u8; 16]>, replaces: Option<u64>, body: Vec<u8>,
    ) {
        let place = keys::place(&id(), position);
        let audience = if bot { Audience::Bot } else { Audience::Everyone };
        let replaces = replaces.map(at);
        let new = NewRecord { time: Timestamp::from_millis(time), audience, body: body.into(), replaces };
        let link = Link { position: previous, checksum: previous_checksum };

        let (value, checksum) = StoredRecord::encode(&place, link, digest.as_ref(), &new);
        let read = StoredRecord::decode(&place, position, &value).unwrap();

        prop_assert_eq!((read.previous(), read.digest), (link, digest));
        prop_assert_eq!(read.link(), Link { position, checksum });
        prop_assert_eq!((read.record.time, read.record.audience, read.record.body), (new.time, new.audience, new.body));
        prop_assert_eq!((read.record.replaces, read.record.replaced_by), (replaces, None));
    }

    #[test]
    fn delivery_states_read_back(
        attempts: u32, due: i64, since: i64, waited_ms: u64, last_status: Option<u16>,
    ) {
        let place = keys::delivery(tag::DELIVERY, &id(), at(1));
        let (due, since) = (Timestamp::from_millis(due), Timestamp::from_millis(since));
        for state in [
            DeliveryState::Refused { status: last_status },
            DeliveryState::Queued(Queued { attempts, due, since, waited_ms, last_status }),
            DeliveryState::Parked(Parked { attempts, since, last_status }),
        ] {
            prop_assert_eq!(decode_delivery(&place, &encode_delivery(&place, state)).unwrap(), state);
        }
    }

    #[test]
    fn any_change_of_any_value_is_found(kind in 0..8_usize, at_byte: prop::sample::Index, flip in 1..=255_u8) {
        let place = keys::place(&id(), at(1));
        let new = NewRecord { time: Timestamp::default(), audience: Audience::Bot, body: Bytes::from_static(b"body"), replaces: Some(at(7)) };
        let entry = StoredEntry { writes: 1, version: Version(1), value: Some(Bytes::from_static(b"value")) };
        let mut value = [
            StoredRecord::encode(&place, Link::default(), Some(&[1; 16]), &new).0,
            StoredHead::new(Timestamp::default(), 1).encode(&place),
            entry.encode(&place),
            Sent { position: at(1), time: Timestamp::default() }.encode(&place),
            encode_delivery(&place, DeliveryState::Attempted),
            encode_facts(&place, b"facts").0,
            encode_newest(&place, at(5)),
            StoredHead { roots: 3, ..StoredHead::new(Timestamp::default(), 1) }.encode(&place),
        ][kind].clone();
        prop_assert!(decode_everything(&place, &value).iter().filter(|outcome| outcome.is_ok()).count() == 1);

        let at_byte = at_byte.index(value.len());
        value[at_byte] ^= flip;
        prop_assert!(decode_everything(&place, &value).iter().all(Result::is_err));
        value[at_byte] ^= flip;
        value.truncate(at_byte);
        prop_assert!(decode_everything(&place, &value).iter().all(Result::is_err));
    }

    #[test]
    fn any_bytes_are_refused_and_never_panic(place: Vec<u8>, value: Vec<u8>) {
        prop_assert!(decode_everything(&place, &value).iter().all(Result::is_err));
        let _ = keys::split_place(&place);
        let _ = keys::tagged_conversation(&place);
    }

    /// The checksum is right, the content anything: a value that was written by somebody else's hand.
    #[test]
    fn any_content_under_a_right_checksum_never_panics(version in 0..3_u8, content: Vec<u8>) {
        let place = keys::place(&id(), at(1));
        for kind in [Kind::Record, Kind::Head, Kind::Facts, Kind::Key, Kind::Delivery, Kind::Entry, Kind::Newest] {
            let (value, _) = Writer::new(version, content.len()).bytes(&content).sealed(kind, &place);
            let outcomes = decode_everything(&place, &value);
            let known = version == 1 || (version == 2 && matches!(kind, Kind::Head));
            prop_assert!(known || outcomes.iter().all(Result::is_err));
        }
    }

    #[test]
    fn keys_sort_like_what_they_name(a in "[-0-9A-Z_a-z]{1,4}", b in "[-0-9A-Z_a-z]{1,4}", m: u64, n: u64) {
        let (a, b): (ConversationId, ConversationId) = (a.parse().unwrap(), b.parse().unwrap());
        let places = keys::place(&a, at(m)).cmp(&keys::place(&b, at(n)));
        prop_assert_eq!(places, (&a, m).cmp(&(&b, n)));
        let heads = keys::tagged(tag::HEAD, &a).cmp(&keys::tagged(tag::HEAD, &b));
        prop_assert_eq!(heads, a.cmp(&b));
        prop_assert_eq!(keys::split_place(&keys::place(&a, at(m))).unwrap(), (a, at(m)));
    }
}
