//! What is written is there, whole or not at all.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::*;

pub async fn a_blob_comes_back_as_it_was_written<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let bytes = noise(1, 100_001);
    let key = original("a", "file");

    let mut writer = create(&*store, &key).await;
    let mut rest = bytes.clone();
    for piece in [1, 0, 7, 65_536, 0, 30_000, 4_457] {
        writer.write(rest.split_to(piece)).await.unwrap();
    }
    assert!(rest.is_empty());
    assert_eq!(writer.finish().await.unwrap(), 100_001);

    assert_whole(read(&*store, &key, None).await, &bytes);
}

pub async fn an_empty_blob_is_a_blob<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let key = original("a", "empty");

    put(&*store, &key, &Bytes::new()).await;

    assert_whole(read(&*store, &key, None).await, &Bytes::new());
    assert_whole(read(&*store, &key, Some(0..1)).await, &Bytes::new());
    assert_eq!(keys(&*store, None).await, [key]);
}

pub async fn a_large_blob_comes_back_whole<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let bytes = noise(2, R::LARGE);

    let (in_small, in_one) = (original("a", "small-pieces"), original("a", "one-piece"));
    put_in_pieces(&*store, &in_small, &bytes, 10_007).await;
    put_in_pieces(&*store, &in_one, &bytes, R::LARGE).await;

    assert_whole(read(&*store, &in_small, None).await, &bytes);
    assert_whole(read(&*store, &in_one, None).await, &bytes);
}

pub async fn nothing_is_there_before_it_is_finished<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    for (file, length) in [("small", 10), ("large", R::LARGE)] {
        let key = original("a", file);
        let bytes = noise(3, length);

        let mut writer = create(&*store, &key).await;
        writer.write(bytes.clone()).await.unwrap();

        assert!(read(&*store, &key, None).await.is_none());
        assert!(!keys(&*store, None).await.contains(&key));
        writer.finish().await.unwrap();
        assert_whole(read(&*store, &key, None).await, &bytes);
    }
}

pub async fn a_dropped_writer_leaves_nothing<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    for length in [0, 10, R::LARGE] {
        let key = original("a", "file");
        let mut writer = create(&*store, &key).await;
        writer.write(noise(4, length)).await.unwrap();

        drop(writer);

        assert!(read(&*store, &key, None).await.is_none());
        assert_eq!(keys(&*store, None).await, []);
    }
    let (key, bytes) = (original("a", "file"), noise(5, R::LARGE));
    put(&*store, &key, &bytes).await;
    assert_whole(read(&*store, &key, None).await, &bytes);
}

pub async fn a_finish_that_is_given_up_leaves_all_or_nothing<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    for (number, length) in [10, 10, 10, R::LARGE, R::LARGE].into_iter().enumerate() {
        let (key, bytes) = (original("a", &format!("file{number}")), noise(6, length));
        let mut writer = create(&*store, &key).await;
        writer.write(bytes.clone()).await.unwrap();

        let patience = Duration::from_micros(200 * number as u64);
        // An engine whose future is ready at once cannot be given up.
        let _ = timeout(patience, writer.finish()).await;

        // Whatever goes on behind the scenes: what can be read is whole.
        for _ in 0..10 {
            if let Some(found) = read(&*store, &key, None).await {
                assert_whole(Some(found), &bytes);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

pub async fn who_reads_meanwhile_sees_it_whole_or_not_at_all<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let (key_of_round, bytes) = (|round: usize| original("a", &format!("file{round}")), noise(7, 100_003));
    let (reader, expected) = (Arc::clone(&store), bytes.clone());
    let reading = spawn(async move {
        for round in 0..50 {
            let found = loop {
                if let Some(found) = read(&*reader, &key_of_round(round), None).await {
                    break found;
                }
                tokio::task::yield_now().await;
            };
            assert_whole(Some(found), &expected);
        }
    });

    for round in 0..50 {
        put(&*store, &key_of_round(round), &bytes).await;
    }

    reading.await.unwrap();
}

pub async fn the_views_of_a_file_are_apart<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let (file, picture) = (noise(7, 1000), noise(8, 100));

    put(&*store, &key_of("a", "file", View::Original), &file).await;
    assert!(read(&*store, &key_of("a", "file", View::Thumbnail), None).await.is_none());
    put(&*store, &key_of("a", "file", View::Thumbnail), &picture).await;

    assert_whole(read(&*store, &key_of("a", "file", View::Original), None).await, &file);
    assert_whole(read(&*store, &key_of("a", "file", View::Thumbnail), None).await, &picture);
    let both = [View::Original, View::Thumbnail].map(|view| key_of("a", "file", view));
    assert_eq!(keys(&*store, None).await, both);
}

pub async fn many_are_written_at_once<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let of = |number: usize| {
        let key = original(&format!("conversation{}", number % 3), &format!("file{number}"));
        (key, noise(number as u64, if number.is_multiple_of(8) { R::LARGE } else { number * 100 }))
    };

    join_all((0..32).map(|number| {
        let store = Arc::clone(&store);
        async move {
            let (key, bytes) = of(number);
            put(&*store, &key, &bytes).await;
        }
    }))
    .await;

    for number in 0..32 {
        let (key, bytes) = of(number);
        assert_whole(read(&*store, &key, None).await, &bytes);
    }
    assert_eq!(keys(&*store, None).await.len(), 32);
}
