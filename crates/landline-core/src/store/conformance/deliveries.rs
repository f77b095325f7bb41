//! How far the delivery of a record has come.

use super::*;

async fn state<R: Rig>(rig: &R, conversation: &str, position: u64) -> Option<DeliveryState> {
    rig.store().delivery(&id(conversation), at(position)).await.unwrap()
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
        Some(queued(0, None)),
        Some(parked(7, Some(0))),
    ];

    let records = states.iter().map(|state| (record(1, "x"), *state)).collect();
    rig.store().append(Append { records, ..append("a", 1, "") }).await.unwrap();

    for (position, expected) in (1..).zip(states) {
        assert_eq!(state(&rig, "a", position).await, expected);
    }
    assert_eq!(pending(rig.store()).await, [(id("a"), at(2))]);
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
        Some(queued(0, None)),
        Some(queued(1, Some(500))),
        Some(parked(2, Some(410))),
        Some(parked(2, None)),
        Some(queued(0, Some(410))),
        None,
        None,
        Some(DeliveryState::Attempted),
        None,
        Some(queued(0, None)),
        None,
    ];

    for new in states {
        rig.store().set_delivery(&id("a"), at(1), new).await.unwrap();

        assert_eq!(state(&rig, "a", 1).await, new);
        assert_eq!(state(&rig, "a", 2).await, None);
        for kind in [DeliveryKind::Pending, DeliveryKind::Queued, DeliveryKind::Parked] {
            let expected = new.filter(|new| new.kind() == Some(kind)).map(|state| ListedDelivery {
                conversation: id("a"),
                position: at(1),
                state: Ok(state),
            });
            let found = rig.store().deliveries(kind, None, 9).await.unwrap();
            assert!(found.into_iter().eq(expected), "{new:?} among {kind:?}");
        }
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

    assert_eq!(pending(rig.store()).await, []);
    rig.store().append(append("a", 3, "three")).await.unwrap();
    assert_eq!(state(&rig, "a", 3).await, None);
}

/// One record with each kind of state, by turns.
fn states() -> [Option<DeliveryState>; 7] {
    [
        None,
        Some(DeliveryState::Pending),
        Some(DeliveryState::Attempted),
        Some(queued(1, None)),
        Some(DeliveryState::Refused { status: None }),
        Some(parked(2, Some(500))),
        Some(queued(3, Some(502))),
    ]
}

/// A conversation whose record at position n has the state n, by turns.
async fn with_states<R: Rig>(rig: &R, conversation: &str, records: u64) {
    filled(rig.store(), conversation, &[]).await;
    for tail in 1..=records {
        let state = states()[usize::try_from(tail % 7).unwrap()];
        let append = Append { records: vec![(record(1, "x"), state)], ..append(conversation, tail, "") };
        if tail == records {
            rig.store().append(append).await.unwrap();
        } else {
            // Not awaited: what matters here is what is listed, and one after the other takes its time.
            drop(rig.store().append(append));
        }
    }
}

pub async fn a_delivery_is_listed_with_its_kind_alone<R: Rig>() {
    let rig = R::fresh().await;
    for conversation in ["b", "a", "ab", "a-", "A"] {
        with_states(&rig, conversation, 30).await;
    }

    for kind in [DeliveryKind::Pending, DeliveryKind::Queued, DeliveryKind::Parked] {
        let mut all = Vec::new();
        for conversation in ["A", "a", "a-", "ab", "b"] {
            let state = |position: u64| states()[usize::try_from(position % 7).unwrap()];
            let of_kind = (1..=30).filter(|n| state(*n).is_some_and(|state| state.kind() == Some(kind)));
            let expected: Vec<_> = of_kind
                .map(|position| ListedDelivery {
                    conversation: id(conversation),
                    position: at(position),
                    state: Ok(state(position).unwrap()),
                })
                .collect();
            for after in 0..=31 {
                for limit in [0, 1, 2, 99] {
                    let found = rig.store().deliveries_of(&id(conversation), kind, at(after), limit).await;
                    let behind = expected.iter().filter(|one| one.position > at(after)).take(limit);
                    assert!(found.unwrap().iter().eq(behind), "{kind:?} of {conversation} behind {after}");
                }
            }
            all.extend(expected);
        }
        assert_eq!(rig.store().deliveries(kind, None, 999).await.unwrap(), all);
        let none = rig.store().deliveries_of(&id("nobody"), kind, at(0), 9).await.unwrap();
        assert_eq!(none, []);
    }
    LogStore::delete(rig.store(), &id("a")).await.unwrap();
    rig.store().expire(&id("b"), at(30)).await.unwrap();
    for kind in [DeliveryKind::Queued, DeliveryKind::Parked] {
        let left = listed(rig.store(), kind).await;
        assert!(
            left.iter().all(|(conversation, _)| !["a", "b"].contains(&conversation.as_str())),
            "{left:?}"
        );
        assert!(left.iter().any(|(conversation, _)| conversation.as_str() == "ab"));
    }
}

pub async fn deliveries_come_in_order_and_in_pages<R: Rig>() {
    let rig = R::fresh().await;
    for conversation in ["b", "a", "ab", "a-"] {
        with_states(&rig, conversation, 300).await;
    }
    for (kind, step) in [(DeliveryKind::Pending, 1), (DeliveryKind::Parked, 5)] {
        let mut expected = Vec::new();
        for conversation in ["a", "a-", "ab", "b"] {
            rig.store().set_delivery(&id(conversation), at(280 + step), None).await.unwrap();
            let of = (step..=300).step_by(7).filter(|position| *position != 280 + step);
            expected.extend(of.map(|position| (id(conversation), at(position))));
        }
        for limit in [1, 7, 42, 43, 1000] {
            let mut found: Vec<(ConversationId, Position)> = Vec::new();
            loop {
                let next = rig.store().deliveries(kind, found.last().cloned(), limit).await.unwrap();
                assert!(next.len() <= limit);
                if next.is_empty() {
                    break;
                }
                found.extend(next.iter().map(ListedDelivery::place));
            }
            assert_eq!(found, expected, "{kind:?} in pages of {limit}");
        }
        assert_eq!(rig.store().deliveries(kind, None, 0).await.unwrap(), []);
        let behind_a_gap = Some((id("aa"), at(u64::MAX)));
        let from_a_gap = rig.store().deliveries(kind, behind_a_gap, 1).await.unwrap();
        assert_eq!(from_a_gap[0].place(), (id("ab"), at(step)));
    }
}
