//! What is there when a store is opened again. An engine that keeps nothing has nothing to show here.

use super::*;

pub async fn finished_blobs_are_there_after_reopening_and_unfinished_ones_are_not<R: BlobRig>() {
    let rig = R::fresh().await;
    let store = rig.store();
    let (kept, bytes) = (original("a", "kept"), noise(1, R::LARGE));
    put(&*store, &kept, &bytes).await;
    put(&*store, &original("b", "deleted"), &noise(2, 10)).await;
    store.delete(&original("b", "deleted")).await.unwrap();
    for (file, length) in [("empty", 0), ("small", 10), ("large", R::LARGE)] {
        let mut writer = create(&*store, &original("a", file)).await;
        writer.write(noise(3, length)).await.unwrap();
        // As a process that is killed: nothing is cleared away.
        std::mem::forget(writer);
    }
    drop(store);

    let Ok(rig) = rig.reopen().await else { return };

    let store = rig.store();
    assert_eq!(keys(&*store, None).await, std::slice::from_ref(&kept));
    store.clear_unfinished().await.unwrap();
    assert_eq!(store.clear_unfinished().await.unwrap(), 0);
    assert_eq!(keys(&*store, None).await, std::slice::from_ref(&kept));
    assert_whole(read(&*store, &kept, None).await, &bytes);
    for file in ["empty", "small", "large"] {
        let key = original("a", file);
        assert!(read(&*store, &key, None).await.is_none());
        put(&*store, &key, &bytes).await;
        assert_whole(read(&*store, &key, None).await, &bytes);
    }
}
