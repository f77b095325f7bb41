//! The resolver of the machine, as many ask it at a time.

use super::*;

#[tokio::test]
async fn localhost_is_this_machine() {
    let found = SystemLookup::default().lookup("localhost").await.unwrap();
    assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
}

#[tokio::test]
async fn who_asks_for_one_name_at_a_time_shares_one_answer_and_nothing_is_kept_of_it() {
    let system = SystemLookup::default();
    let asking: Vec<_> = (0..100).map(|_| system.lookup("localhost")).collect();
    assert_eq!(lock(&system.under_way).len(), 1);
    for answer in futures_util::future::join_all(asking).await {
        assert!(answer.is_ok());
    }
    assert_eq!(lock(&system.under_way).len(), 0);
}

#[tokio::test]
async fn who_gives_up_leaves_nothing_behind() {
    let system = SystemLookup::default();
    drop(system.lookup("localhost"));
    while !lock(&system.under_way).is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(system.lookup("localhost").await.is_ok());
}

#[tokio::test]
async fn so_many_at_a_time() {
    let system = SystemLookup::default();
    let never: Running = std::future::pending().boxed().shared();
    for number in 0..LOOKUPS_AT_ONCE {
        lock(&system.under_way).insert(format!("silent{number}").into(), never.clone());
    }
    let refused = system.lookup("localhost").await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy, "{refused}");
    lock(&system.under_way).remove("silent0");
    assert!(system.lookup("localhost").await.is_ok());
}
