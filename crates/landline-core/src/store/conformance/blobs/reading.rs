//! What is read, whole and in parts.

use futures_util::future::join_all;

use super::*;

pub async fn what_is_not_there_is_none<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    put(&*store, &original("a", "file"), &noise(1, 10)).await;

    for (conversation, file) in [("a", "other"), ("b", "file"), ("A", "file"), ("a", "fil"), ("a", "file2")] {
        assert!(read(&*store, &original(conversation, file), None).await.is_none());
        assert!(read(&*store, &original(conversation, file), Some(0..1)).await.is_none());
    }
}

pub async fn a_range_is_cut_at_the_end<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let bytes = noise(2, 1000);
    let key = original("a", "file");
    put(&*store, &key, &bytes).await;

    let backwards = Range { start: 7, end: 3 };
    for (range, expected) in [
        (0..1000, 0..1000),
        (0..1, 0..1),
        (1..2, 1..2),
        (10..990, 10..990),
        (999..1000, 999..1000),
        (0..1001, 0..1000),
        (999..u64::MAX, 999..1000),
        (500..5000, 500..1000),
        (0..0, 0..0),
        (500..500, 0..0),
        (1000..1001, 0..0),
        (1001..2000, 0..0),
        (u64::MAX - 1..u64::MAX, 0..0),
        (backwards, 0..0),
    ] {
        let (size, found) = read(&*store, &key, Some(range.clone())).await.unwrap();
        assert_eq!(size, 1000, "{range:?}");
        assert!(found == bytes.slice(expected), "{range:?}");
    }
}

pub async fn a_range_of_a_large_blob_is_that_part_of_it<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let bytes = noise(3, R::LARGE);
    let key = original("a", "file");
    put(&*store, &key, &bytes).await;

    let third = R::LARGE / 3;
    for range in
        [0..R::LARGE, third..2 * third, 1..R::LARGE - 1, R::LARGE - third..R::LARGE, third..third + 1]
    {
        let (size, found) = read(&*store, &key, Some(range.start as u64..range.end as u64)).await.unwrap();
        assert_eq!(size, R::LARGE as u64);
        assert!(found == bytes.slice(range.clone()), "{range:?}");
    }
}

pub async fn a_reader_that_has_begun_ends_although_the_blob_is_deleted<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let bytes = noise(4, R::LARGE);
    let key = original("a", "file");
    put(&*store, &key, &bytes).await;
    let mut untouched = store.read(&key, None).await.unwrap().unwrap();
    let mut begun = store.read(&key, None).await.unwrap().unwrap();
    let first = begun.pieces.try_next().await.unwrap().unwrap();

    store.delete(&key).await.unwrap();

    assert!(read(&*store, &key, None).await.is_none());
    assert!([&first[..], &rest(&mut begun).await].concat() == bytes);
    assert!(rest(&mut untouched).await == bytes);
}

pub async fn many_read_at_once<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let bytes = noise(5, R::LARGE);
    let key = original("a", "file");
    put(&*store, &key, &bytes).await;

    let readers = join_all((0..16).map(|_| read(&*store, &key, None))).await;

    for found in readers {
        assert_whole(found, &bytes);
    }
}
