//! Small things that are looked up by name.

use futures_util::future::join_all;

use super::*;
use crate::store::{MAX_ENTRY_NAME_BYTES, MAX_ENTRY_VALUE_BYTES, PutError, Table, Version, Versioned};

const TABLE: Table = Table::SiteSecrets;

fn value(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Writes over whatever version there is.
async fn put(store: &impl Registry, table: Table, name: &str, text: &str) -> Version {
    let expected = store.get(table, name).await.unwrap().map(|entry| entry.version);
    store.put(table, name, value(text), expected).await.unwrap()
}

#[track_caller]
fn conflict<T: Debug>(outcome: Result<T, PutError>) -> Option<Version> {
    match outcome {
        Err(PutError::Conflict(found)) => found,
        other => panic!("{other:?}"),
    }
}

pub async fn a_value_is_written_only_over_the_version_that_was_expected<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    assert_eq!(store.get(TABLE, "a").await.unwrap(), None);

    let first = store.put(TABLE, "a", value("one"), None).await.unwrap();
    assert_eq!(conflict(store.put(TABLE, "a", value("x"), None).await), Some(first));
    let second = store.put(TABLE, "a", value("two"), Some(first)).await.unwrap();
    assert_eq!(conflict(store.put(TABLE, "a", value("x"), Some(first)).await), Some(second));
    assert_eq!(conflict(store.put(TABLE, "b", value("x"), Some(second)).await), None);
    assert_eq!(conflict(Registry::delete(store, TABLE, "a", first).await), Some(second));
    assert_eq!(conflict(Registry::delete(store, TABLE, "b", first).await), None);

    let found = store.get(TABLE, "a").await.unwrap();
    assert_eq!(found, Some(Versioned { value: value("two"), version: second }));
    assert_eq!(store.get(TABLE, "b").await.unwrap(), None);
    Registry::delete(store, TABLE, "a", second).await.unwrap();
    assert_eq!(store.get(TABLE, "a").await.unwrap(), None);
    assert_eq!(conflict(Registry::delete(store, TABLE, "a", second).await), None);
}

pub async fn a_version_never_goes_back<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let mut latest = store.put(TABLE, "a", value("0"), None).await.unwrap();

    for n in 1..10 {
        let expected = if n % 3 == 0 {
            Registry::delete(store, TABLE, "a", latest).await.unwrap();
            assert_eq!(conflict(store.put(TABLE, "a", value("x"), Some(latest)).await), None);
            None
        } else {
            Some(latest)
        };
        let next = store.put(TABLE, "a", value(&n.to_string()), expected).await.unwrap();
        assert!(next > latest, "{next:?} after {latest:?}");
        latest = next;
    }
}

pub async fn entries_come_in_order_and_in_pages<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let mut names: Vec<_> = (0..40).map(|n| format!("n{}", n * n)).collect();
    names.extend(["", " ", "a", "a/b", "ab", "ü", "z\u{1F600}"].map(str::to_owned));
    for name in &names {
        put(store, TABLE, name, &format!("value of {name}")).await;
    }
    let gone = put(store, TABLE, "n0", "again").await;
    Registry::delete(store, TABLE, "n0", gone).await.unwrap();
    names.retain(|name| name != "n0");
    names.sort();

    for limit in [1, 7, 46, 100] {
        let mut found: Vec<(String, Versioned)> = Vec::new();
        loop {
            let after = found.last().map(|(name, _)| name.clone());
            let next = store.list(TABLE, after, limit).await.unwrap();
            assert!(next.len() <= limit);
            if next.is_empty() {
                break;
            }
            found.extend(next);
        }
        assert!(found.iter().map(|(name, _)| name).eq(&names), "in pages of {limit}: {found:?}");
        assert!(found.iter().all(|(name, entry)| entry.value == format!("value of {name}")));
    }
    assert_eq!(store.list(TABLE, None, 0).await.unwrap(), []);
}

pub async fn tables_are_apart<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let tables = [
        (Table::SiteSecrets, "secret"),
        (Table::TokenKeys, "key"),
        (Table::BotCapabilities, "capability"),
        (Table::Bots, "bot"),
        (Table::Sites, "site"),
        (Table::IdentityKeys, "ring"),
    ];

    for (table, text) in tables {
        store.put(table, "a", value(text), None).await.unwrap();
    }
    let gone = store.get(Table::TokenKeys, "a").await.unwrap().unwrap();
    Registry::delete(store, Table::TokenKeys, "a", gone.version).await.unwrap();

    for (table, text) in tables {
        let expected = (table != Table::TokenKeys).then(|| value(text));
        let listed = store.list(table, None, 9).await.unwrap();
        assert!(listed.into_iter().map(|(_, entry)| entry.value).eq(expected), "{table:?}");
    }
}

pub async fn names_and_values_have_limits<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let name = "n".repeat(MAX_ENTRY_NAME_BYTES);
    let largest = Bytes::from(vec![7; MAX_ENTRY_VALUE_BYTES]);
    store.put(TABLE, &name, largest.clone(), None).await.unwrap();
    assert_eq!(store.get(TABLE, &name).await.unwrap().unwrap().value, largest);

    let too_much = [
        (format!("{name}n"), Bytes::new()),
        ("a\0b".to_owned(), Bytes::new()),
        ("a".to_owned(), Bytes::from(vec![7; MAX_ENTRY_VALUE_BYTES + 1])),
    ];
    for (name, value) in too_much {
        let outcome = store.put(TABLE, &name, value, None).await;
        assert!(matches!(outcome, Err(PutError::Unavailable(_))), "{outcome:?}");
        assert_eq!(store.get(TABLE, &name).await.unwrap(), None);
    }
    assert_eq!(store.list(TABLE, None, 9).await.unwrap().len(), 1);
}

pub async fn of_many_writers_of_an_entry_one_wins<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let first = store.put(TABLE, "a", value("first"), None).await.unwrap();

    let outcomes = join_all((0..20).map(|n| store.put(TABLE, "a", value(&n.to_string()), Some(first)))).await;

    let won: Vec<_> = (0..20).filter(|n| outcomes[*n].is_ok()).collect();
    assert_eq!(won.len(), 1, "{outcomes:?}");
    assert_eq!(store.get(TABLE, "a").await.unwrap().unwrap().value, won[0].to_string());
}
