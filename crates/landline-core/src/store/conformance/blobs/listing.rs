//! What is listed.

use futures_util::stream::{self, StreamExt as _};
use landline_protocol::Timestamp;

use super::*;

pub async fn all_are_listed_or_those_of_one_conversation<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    assert_eq!(keys(&*store, None).await, []);
    assert_eq!(keys(&*store, Some("a")).await, []);
    let mut all =
        [original("a", "1"), original("a", "2"), key_of("a", "2", View::Thumbnail), original("b", "1")];
    all.sort();
    for key in &all {
        put(&*store, key, &noise(1, 10)).await;
    }

    assert_eq!(keys(&*store, None).await, all);
    assert_eq!(keys(&*store, Some("a")).await, all[..3]);
    assert_eq!(keys(&*store, Some("b")).await, all[3..]);
    assert_eq!(keys(&*store, Some("c")).await, []);
}

pub async fn conversations_whose_ids_begin_alike_are_apart<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let conversations = ["a", "ab", "a-", "a_", "a-b", "aa", "A", "-a", "_a"];
    for conversation in conversations {
        put(&*store, &original(conversation, "a"), &noise(1, 10)).await;
    }

    for conversation in conversations {
        assert_eq!(keys(&*store, Some(conversation)).await, [original(conversation, "a")]);
    }
    assert_eq!(keys(&*store, None).await.len(), conversations.len());
}

pub async fn what_is_listed_has_size_and_time<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let lengths = [0, 1, 1000, R::LARGE];
    for (number, length) in lengths.into_iter().enumerate() {
        put(&*store, &original("a", &format!("file{number}")), &noise(1, length)).await;
    }

    let mut listed: Vec<_> = store.list(None).try_collect().await.unwrap();

    listed.sort_by(|one, other| one.key.cmp(&other.key));
    let sizes: Vec<_> = listed.iter().map(|blob| blob.bytes).collect();
    assert_eq!(sizes, lengths.map(|length| length as u64));
    let early = Timestamp::parse("2020-01-01T00:00:00Z").unwrap();
    assert!(listed.iter().all(|blob| blob.modified > early), "{listed:?}");
    assert!(listed.is_sorted_by_key(|blob| blob.modified), "{listed:?}");
}

pub async fn many_are_listed<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let mut all: Vec<_> = (0..R::MANY).map(|number| original("a", &format!("file{number}"))).collect();
    all.sort();
    let written = stream::iter(&all).for_each_concurrent(16, |key| {
        let store = Arc::clone(&store);
        async move { put(&*store, key, &Bytes::from_static(b"x")).await }
    });
    written.await;

    assert!(keys(&*store, Some("a")).await == all);
    assert!(keys(&*store, None).await == all);
}

pub async fn what_is_no_blob_of_ours_is_passed_over<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let key = original("a", "file");
    put(&*store, &key, &noise(1, 10)).await;

    if !rig.put_foreign().await {
        return;
    }

    assert_eq!(keys(&*store, None).await, std::slice::from_ref(&key));
    assert_eq!(keys(&*store, Some("a")).await, std::slice::from_ref(&key));
    store.clear_unfinished().await.unwrap();
    store.delete(&key).await.unwrap();
    assert_eq!(keys(&*store, None).await, []);
}

pub async fn files_may_be_called_like_views<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let mut all: Vec<_> = ["original", "thumbnail", "original-thumbnail", "-", "_"]
        .into_iter()
        .flat_map(|file| [View::Original, View::Thumbnail].map(|view| key_of("original", file, view)))
        .collect();
    all.sort();
    for (seed, key) in (0..).zip(&all) {
        put(&*store, key, &noise(seed, 10)).await;
    }

    assert_eq!(keys(&*store, Some("original")).await, all);
    for (seed, key) in (0..).zip(&all) {
        assert_whole(read(&*store, key, None).await, &noise(seed, 10));
    }
}
