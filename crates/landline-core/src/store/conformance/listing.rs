//! Which conversations there are.

use super::*;

pub async fn conversations_come_in_order_and_in_pages<R: Rig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let mut expected: Vec<_> = (0..60).map(|n| format!("c{}", n * n)).collect();
    expected.extend(["-", "0", "A", "_", "a", "a-", "a0", "z"].map(str::to_owned));
    for conversation in &expected {
        filled(store, conversation, &["one"]).await;
    }
    expected.sort();

    for limit in [1, 7, 68, 100] {
        let mut found: Vec<ConversationId> = Vec::new();
        loop {
            let next = store.conversations(found.last().cloned(), limit).await.unwrap();
            assert!(next.len() <= limit);
            if next.is_empty() {
                break;
            }
            found.extend(next);
        }
        assert!(found.iter().map(ConversationId::as_str).eq(&expected), "in pages of {limit}: {found:?}");
    }
    assert_eq!(store.conversations(None, 0).await.unwrap(), []);
    assert_eq!(store.conversations(Some(id("b")), 1).await.unwrap(), [id("c0")]);
    assert_eq!(store.conversations(Some(id("zz")), 1).await.unwrap(), []);
}
