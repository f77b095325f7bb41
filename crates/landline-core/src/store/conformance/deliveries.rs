//! How far the delivery of a record has come.

use super::*;

async fn state<R: Rig>(rig: &R, conversation: &str, position: u64) -> Option<DeliveryState> {
    rig.store().delivery(&id(conversation), at(position)).await.unwrap()
}

async fn pending<R: Rig>(rig: &R) -> Vec<(ConversationId, Position)> {
    rig.store().pending_deliveries(None, 1000).await.unwrap()
}

pub async fn a_delivery_state_is_set_with_its_record<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &[]).await;
    let states = [
        None,
        Some(DeliveryState::Pending),
        Some(DeliveryState::Attempted),
        Some(DeliveryState::Refused { status: Some(503) }),
        Some(DeliveryState::Refused { status: None }),
    ];

    let records = states.iter().map(|state| (record(1, "x"), *state)).collect();
    rig.store().append(Append { records, ..append("a", 1, "") }).await.unwrap();

    for (position, expected) in (1..).zip(states) {
        assert_eq!(state(&rig, "a", position).await, expected);
    }
    assert_eq!(pending(&rig).await, [(id("a"), at(2))]);
}

pub async fn a_delivery_state_is_changed_and_taken_away<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &["one", "two"]).await;
    let before = head(rig.store(), "a").await;
    let states = [
        Some(DeliveryState::Pending),
        Some(DeliveryState::Attempted),
        Some(DeliveryState::Refused { status: Some(u16::MAX) }),
        Some(DeliveryState::Pending),
        None,
        None,
        Some(DeliveryState::Attempted),
        None,
    ];

    for new in states {
        rig.store().set_delivery(&id("a"), at(1), new).await.unwrap();

        assert_eq!(state(&rig, "a", 1).await, new);
        assert_eq!(state(&rig, "a", 2).await, None);
        assert_eq!(pending(&rig).await.is_empty(), new != Some(DeliveryState::Pending), "{new:?}");
    }
    assert_eq!(head(rig.store(), "a").await, before, "the log itself does not change");
}

pub async fn a_delivery_state_needs_a_record<R: Rig>() {
    let rig = R::fresh().await;
    filled(rig.store(), "a", &["one", "two"]).await;
    rig.store().expire(&id("a"), at(1)).await.unwrap();

    for absent in [0, 1, 3, u64::MAX] {
        rig.store().set_delivery(&id("a"), at(absent), Some(DeliveryState::Pending)).await.unwrap();
        assert_eq!(state(&rig, "a", absent).await, None);
    }

    assert_eq!(pending(&rig).await, []);
    rig.store().append(append("a", 3, "three")).await.unwrap();
    assert_eq!(state(&rig, "a", 3).await, None);
}

pub async fn pending_deliveries_come_in_order_and_in_pages<R: Rig>() {
    let rig = R::fresh().await;
    for conversation in ["b", "a", "ab", "a-"] {
        filled(rig.store(), conversation, &[]).await;
        let states = [Some(DeliveryState::Pending), Some(DeliveryState::Attempted), None];
        for tail in 1..=300 {
            let records = vec![(record(1, "x"), states[usize::try_from(tail % 3).unwrap()])];
            // Not awaited: what matters here is what is listed, and one after the other takes its time.
            drop(rig.store().append(Append { records, ..append(conversation, tail, "") }));
        }
    }
    let mut expected = Vec::new();
    for conversation in ["a", "a-", "ab", "b"] {
        rig.store().set_delivery(&id(conversation), at(300), None).await.unwrap();
        expected.extend((3..300).step_by(3).map(|position| (id(conversation), at(position))));
    }

    for limit in [1, 7, 99, 100, 1000] {
        let mut found = Vec::new();
        loop {
            let next = rig.store().pending_deliveries(found.last().cloned(), limit).await.unwrap();
            assert!(next.len() <= limit);
            if next.is_empty() {
                break;
            }
            found.extend(next);
        }
        assert_eq!(found, expected, "in pages of {limit}");
    }
    assert_eq!(rig.store().pending_deliveries(None, 0).await.unwrap(), []);
    let from_a_gap = rig.store().pending_deliveries(Some((id("aa"), at(u64::MAX))), 1).await.unwrap();
    assert_eq!(from_a_gap, [(id("ab"), at(3))]);
}
