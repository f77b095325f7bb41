//! What becomes of a change when the registry does not do as it is told.

use std::sync::Mutex as StdMutex;
use std::sync::PoisonError;

use bytes::Bytes;
use landline_core::SystemClock;
use landline_core::store::memory::MemoryStore;
use landline_core::store::{StoreError, StoreFuture, Version, Versioned};
use landline_protocol::{BotName, SiteName};
use tokio::sync::Notify;

use super::*;
use crate::SystemEntropy;

/// What the next write does instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    /// Nothing is written.
    Unavailable,
    /// Nothing is written, and nobody is told.
    UnknownUndone,
    /// It is written, and nobody is told.
    UnknownDone,
    /// It is written, and the answer never comes.
    Silent,
}

/// A registry whose next write goes wrong.
#[derive(Debug, Default)]
struct Faulty {
    store: MemoryStore,
    fault: StdMutex<Fault>,
    silent: Notify,
}

impl Faulty {
    fn next(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    fn disturbed<T: Send + 'static>(
        &self,
        done: impl FnOnce() -> StoreFuture<T, PutError>,
    ) -> StoreFuture<T, PutError> {
        let fault = std::mem::take(&mut *self.fault.lock().unwrap_or_else(PoisonError::into_inner));
        let trouble = || StoreError("trouble".into());
        match fault {
            Fault::None => done(),
            Fault::Unavailable => Box::pin(async move { Err(PutError::Unavailable(trouble())) }),
            Fault::UnknownUndone => Box::pin(async move { Err(PutError::Unknown(trouble())) }),
            Fault::UnknownDone => {
                let done = done();
                Box::pin(async move {
                    done.await?;
                    Err(PutError::Unknown(trouble()))
                })
            }
            Fault::Silent => {
                let done = done();
                self.silent.notify_one();
                Box::pin(async move {
                    done.await?;
                    std::future::pending().await
                })
            }
        }
    }
}

impl Registry for Faulty {
    fn get(&self, table: Table, name: &str) -> StoreFuture<Option<Versioned>, StoreError> {
        self.store.get(table, name)
    }

    fn put(
        &self,
        table: Table,
        name: &str,
        value: Bytes,
        expected: Option<Version>,
    ) -> StoreFuture<Version, PutError> {
        self.disturbed(|| self.store.put(table, name, value, expected))
    }

    fn list(
        &self,
        table: Table,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<Vec<(String, Versioned)>, StoreError> {
        self.store.list(table, after, limit)
    }

    fn delete(&self, table: Table, name: &str, expected: Version) -> StoreFuture<(), PutError> {
        self.disturbed(|| Registry::delete(&self.store, table, name, expected))
    }
}

struct World {
    registry: Arc<Faulty>,
    editor: Editor,
}

impl World {
    async fn new() -> Self {
        Self::over(Arc::default()).await
    }

    async fn over(registry: Arc<Faulty>) -> Self {
        let file = FileEntries { bots: Vec::new(), sites: Vec::new(), base: "http://127.0.0.1:3000".into() };
        let loaded = load(&file, &*registry, &SystemEntropy, Timestamp::default()).await.unwrap();
        let directory = Arc::new(Directory::default());
        directory.replace(loaded.snapshot);
        let editor = Editor::new(Parts {
            directory,
            file,
            versions: loaded.versions,
            registry: Arc::<Faulty>::clone(&registry),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            metrics: Arc::default(),
            addresses: Arc::default(),
        });
        Self { registry, editor }
    }

    /// A bot with an app id, which is one write.
    async fn add(&self, name: &str) -> Result<(), ChangeError> {
        let app_id = Some(AppIdChange::New);
        let change = BotChange { app_id, ..BotChange::default() };
        let endpoint = "http://127.0.0.1:9/".parse().unwrap();
        self.editor.add_bot(name.parse().unwrap(), endpoint, change, false).await.map(|_| ())
    }

    fn bots(&self) -> Vec<String> {
        self.editor.snapshot().bots.keys().map(ToString::to_string).collect()
    }

    /// What another process would find.
    async fn written(&self) -> Vec<String> {
        Self::over(Arc::clone(&self.registry)).await.bots()
    }
}

#[tokio::test]
async fn what_could_not_be_written_is_not_shown_and_can_be_tried_again() {
    let world = World::new().await;
    world.registry.next(Fault::Unavailable);
    assert!(matches!(world.add("a").await, Err(ChangeError::Unavailable(_))));
    assert_eq!(world.bots(), [""; 0]);
    world.add("a").await.unwrap();
    assert_eq!((world.bots(), world.written().await), (vec!["a".to_owned()], vec!["a".to_owned()]));
}

#[tokio::test]
async fn what_is_not_known_is_found_out_before_the_next_change() {
    for (fault, first) in [(Fault::UnknownUndone, false), (Fault::UnknownDone, true)] {
        let world = World::new().await;
        world.registry.next(fault);
        assert!(matches!(world.add("a").await, Err(ChangeError::Unknown(_))), "{fault:?}");
        assert_eq!(world.bots(), [""; 0], "not shown before it is known");

        world.add("b").await.unwrap();

        let expected: Vec<_> = if first { vec!["a", "b"] } else { vec!["b"] };
        assert_eq!(world.bots(), expected, "{fault:?}");
        assert_eq!(world.written().await, expected, "{fault:?}");
        let again = world.add("a").await;
        assert_eq!(matches!(again, Err(ChangeError::Conflict(_))), first, "{fault:?}: {again:?}");
    }
}

#[tokio::test]
async fn a_change_that_is_broken_off_is_found_out_too() {
    let world = World::new().await;
    world.registry.next(Fault::Silent);
    tokio::select! {
        _ = world.add("a") => panic!("the answer never comes"),
        () = async {
            world.registry.silent.notified().await;
            // Polled once more, so that the write itself is done.
            tokio::task::yield_now().await;
        } => {}
    }
    let name: BotName = "a".parse().unwrap();
    world.editor.remove_bot(&name).await.unwrap();
    assert_eq!((world.bots(), world.written().await), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn a_removal_that_failed_leaves_everything_as_it_was() {
    let world = World::new().await;
    world.add("a").await.unwrap();
    let (name, site): (BotName, SiteName) = ("a".parse().unwrap(), "s".parse().unwrap());
    let (_, secret) = world.editor.add_site(site.clone(), name.clone(), SiteChange::default()).await.unwrap();
    world.registry.next(Fault::Unavailable);
    world.editor.remove_site(&site).await.unwrap_err();
    assert!(world.editor.snapshot().site_by_secret(secret.expose()).is_some());
    world.editor.remove_bot(&name).await.unwrap_err();
    world.registry.next(Fault::UnknownDone);
    world.editor.remove_site(&site).await.unwrap_err();
    // It is gone in truth, which the next change finds out.
    world.editor.remove_bot(&name).await.unwrap();
    assert!(world.editor.snapshot().site_by_secret(secret.expose()).is_none());
    assert_eq!(world.written().await, [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_read_is_left_out_and_can_be_removed() {
    let world = World::new().await;
    world.add("good").await.unwrap();
    let (bot, site): (BotName, SiteName) = ("bad".parse().unwrap(), "bad".parse().unwrap());
    for table in [Table::Bots, Table::Sites] {
        let entry = Bytes::from_static(b"{\"version\":2}");
        world.registry.store.put(table, "bad", entry, None).await.unwrap();
    }
    let world = World::over(Arc::clone(&world.registry)).await;
    assert_eq!(world.bots(), ["good"]);
    let refused = world.add("bad").await;
    assert!(matches!(refused, Err(ChangeError::Conflict(why)) if why.contains("remove it first")));
    // Everything is read again, and the change is made all the same.
    world.registry.next(Fault::UnknownUndone);
    world.add("lost").await.unwrap_err();
    world.add("other").await.unwrap();
    assert!(world.editor.snapshot().unreadable_bots.contains(&bot));

    world.editor.remove_site(&site).await.unwrap();
    world.editor.remove_bot(&bot).await.unwrap();

    world.add("bad").await.unwrap();
    world.editor.add_site(site, bot, SiteChange::default()).await.unwrap();
    assert_eq!(world.written().await, ["bad", "good", "other"]);
}

#[tokio::test]
async fn there_is_a_limit() {
    let world = World::new().await;
    for number in 0..crate::limits::MAX_BOTS {
        world.add(&format!("b{number}")).await.unwrap();
    }
    assert!(matches!(world.add("more").await, Err(ChangeError::Conflict(why)) if why.contains("limit")));
    let bot: BotName = "b0".parse().unwrap();
    let site = |number: usize| -> SiteName { format!("s{number}").parse().unwrap() };
    for number in 0..crate::limits::MAX_SITES {
        world.editor.add_site(site(number), bot.clone(), SiteChange::default()).await.unwrap();
    }
    let more = world.editor.add_site(site(crate::limits::MAX_SITES), bot, SiteChange::default()).await;
    assert!(matches!(more, Err(ChangeError::Conflict(why)) if why.contains("limit")));
    // All of them are read again, page by page.
    assert_eq!(world.written().await.len(), crate::limits::MAX_BOTS);
}
