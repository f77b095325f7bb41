//! What is taken away.

use futures_util::future::join;

use super::*;

pub async fn a_deleted_blob_is_gone_and_no_other<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let all = [original("a", "1"), key_of("a", "1", View::Thumbnail), original("a", "2"), original("b", "1")];
    for key in &all {
        put(&*store, key, &noise(1, 10)).await;
    }

    store.delete(&all[0]).await.unwrap();

    assert!(read(&*store, &all[0], None).await.is_none());
    assert_eq!(keys(&*store, None).await, all[1..]);
    store.delete(&all[3]).await.unwrap();
    assert_eq!(keys(&*store, None).await, all[1..3]);
}

pub async fn deleting_what_is_not_there_is_no_error<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let key = original("a", "file");
    store.delete(&key).await.unwrap();
    put(&*store, &key, &noise(1, 10)).await;
    put(&*store, &original("a", "other"), &noise(1, 10)).await;

    for _ in 0..3 {
        store.delete(&key).await.unwrap();
    }

    assert_eq!(keys(&*store, None).await, [original("a", "other")]);
}

pub async fn a_deleted_key_may_be_written_again<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let key = original("a", "file");
    for round in 0..5 {
        let bytes = noise(round, 100);
        put(&*store, &key, &bytes).await;
        assert_whole(read(&*store, &key, None).await, &bytes);
        store.delete(&key).await.unwrap();
        assert_eq!(keys(&*store, None).await, []);
    }
}

/// An engine that keeps a place for each conversation takes it away with the last blob, perhaps just when another one
/// is begun in it.
pub async fn a_conversation_may_be_deleted_while_it_is_written_to<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let rounds = |lane: usize| {
        let store = Arc::clone(&store);
        async move {
            for round in 0..20 {
                let (key, bytes) = (original("a", &format!("file{lane}-{round}")), noise(round, 10));
                put(&*store, &key, &bytes).await;
                assert_whole(read(&*store, &key, None).await, &bytes);
                let listed = keys(&*store, Some("a")).await;
                assert!(listed.contains(&key), "{key:?} is not among {listed:?}");
                store.delete(&key).await.unwrap();
            }
        }
    };

    // In tasks of their own, so that they run at the same time and not in turn.
    let lanes = [0, 1, 2, 3].map(|lane| spawn(rounds(lane)));
    let [a, b, c, d] = lanes;
    let ((a, b), (c, d)) = join(join(a, b), join(c, d)).await;

    for outcome in [a, b, c, d] {
        outcome.unwrap();
    }
    assert_eq!(keys(&*store, None).await, []);
}
