//! What goes, when, and what never does.

use std::collections::HashMap;
use std::time::Duration;

use landline_core::store::{Append, LogStore};
use landline_core::{Limits, NotLogged, Retention, Unavailable};
use landline_testkit::domain::{BlobCall, BlobFault, Fault, start};
use tokio::time::timeout;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const SECOND: Duration = Duration::from_secs(1);

async fn with_picture() -> (World, ConversationId, StoredFile) {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;
    send_picture(&world, &c, None).await.unwrap();
    world.settle().await;
    let file = entries(&world, &c).await.pop().unwrap();
    (world, c, file)
}

async fn sweep(world: &World) -> u64 {
    timeout(HOUR, world.conversations.sweep_files()).await.unwrap().unwrap()
}

/// Conversations are kept for so long, whatever their site.
fn retention(time: Duration) -> Retention {
    Retention { sites: HashMap::new(), default: time }
}

#[tokio::test(start_paused = true)]
async fn a_file_is_there_until_its_time_is_over_and_its_bytes_a_little_longer() {
    let (world, c, file) = with_picture().await;
    let id = &file.id;

    world.clock.advance(DAY - SECOND);
    assert_eq!(sweep(&world).await, 0);
    assert!(world.conversations.file(&c, id).await.unwrap().is_some());
    let begun = world.conversations.open_file(&c, &file, View::Original, None).await.unwrap().unwrap();

    world.clock.advance(SECOND);
    assert_eq!(world.conversations.file(&c, id).await.unwrap(), None, "from here on, nobody new gets it");
    world.clock.advance(SECOND * 59);
    assert_eq!(sweep(&world).await, 0, "who looked just before has begun to read");
    world.clock.advance(SECOND);
    assert_eq!(sweep(&world).await, 1);

    assert_eq!(world.blobs.all().await, []);
    assert_eq!(world.conversations.open_file(&c, &file, View::Original, None).await.unwrap().map(drop), None);
    let pieces: Vec<_> = futures_util::StreamExt::collect::<Vec<_>>(begun.pieces).await;
    let whole: Vec<Bytes> = pieces.into_iter().map(Result::unwrap).collect();
    assert_eq!(whole.concat(), PNG, "who has begun gets all of it");
}

#[tokio::test(start_paused = true)]
async fn what_the_log_names_is_never_swept() {
    let (world, c, _) = with_picture().await;
    bot_keeps(&world, &c, named("b.png", "image/png"), PNG, Some(PNG)).await.unwrap();
    for world in [&world, &world.restarted()] {
        assert_eq!(sweep(world).await, 0);
        assert_eq!(consistent(world, &[&c]).await, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_is_not_swept() {
    let (world, c, _) = with_picture().await;
    let upload =
        take(&world, &c, &[(named("a", "text/plain"), b"a"), (named("b", "text/plain"), b"b")]).await;
    assert_eq!(world.blobs.all().await.len(), 3);

    assert_eq!(sweep(&world).await, 0);

    let send = send_of(&c, json!({"type": "message", "from": {"id": "ann"}}));
    upload.unwrap().send(send).await.unwrap();
    assert_eq!(sweep(&world).await, 0);
    assert_eq!(consistent(&world, &[&c]).await, 3);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_is_swept() {
    let (world, c, file) = with_picture().await;
    let key = |conversation: &str, file: &str, view| BlobKey {
        conversation: conversation.parse().unwrap(),
        file: file.parse().unwrap(),
        view,
    };
    world.blobs.put(&key("c", "unknown", View::Original), b"x").await;
    world.blobs.put(&key("c", &file.id.to_string(), View::Thumbnail), b"it has none").await;
    world.blobs.put(&key("gone", &file.id.to_string(), View::Original), PNG).await;
    for n in 0..2000 {
        world.blobs.put(&key(&format!("gone{}", n % 7), &format!("f{n}"), View::Original), b"x").await;
    }

    assert_eq!(sweep(&world).await, 2003);

    assert_eq!(consistent(&world, &[&c]).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_names_everything() {
    let (world, c, _) = with_picture().await;
    let head = world.disk.head(&c).await.unwrap();
    let facts = Some(Bytes::from_static(b"no facts"));
    let (records, idempotency, expected_tail) = (Vec::new(), None, head.tail);
    let spoil = Append { conversation: c.clone(), expected_tail, records, idempotency, facts };
    world.disk.append(spoil).await.unwrap();

    assert_eq!(sweep(&world.restarted()).await, 0);

    assert_eq!(world.blobs.all().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_conversation_leaves_no_byte_behind() {
    let (world, c, file) = with_picture().await;
    let d = world.start("d", Some("ann")).await;
    send_picture(&world, &d, None).await.unwrap();
    bot_keeps(&world, &c, named("b.png", "image/png"), PNG, Some(PNG)).await.unwrap();

    world.conversations.delete(&c).await.unwrap();

    assert_eq!(consistent(&world, &[&c, &d]).await, 1);
    let gone = world.conversations.file(&c, &file.id).await;
    assert!(matches!(gone, Err(Unavailable::NotFound)), "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn an_upload_to_a_conversation_that_is_deleted_meanwhile_leaves_nothing() {
    let (world, c, _) = with_picture().await;
    let file = [(named("a", "text/plain"), b"abc".as_slice())];
    let whole = take(&world, &c, &file).await.unwrap();
    let kept = take(&world, &c, &file).await.unwrap();
    let mut begun = world.conversations.upload(&c).await.unwrap();
    begun.begin(named("a", "text/plain"), View::Original).await.unwrap();

    world.conversations.delete(&c).await.unwrap();
    // The next one has the same id.
    world.start("c", Some("ann")).await;

    let is_gone = |error: &NotLogged| matches!(error, NotLogged::Nothing(Unavailable::NotFound));
    let refused = begun.write(Bytes::from_static(b"abc")).await;
    assert!(matches!(&refused, Err(UploadError::NotLogged(error)) if is_gone(error)), "{refused:?}");
    let send = send_of(&c, json!({"type": "message", "from": {"id": "ann"}}));
    let refused = whole.send(send).await;
    assert!(
        refused.is_ok() || matches!(&refused, Err(SendError::NotLogged(error)) if is_gone(error)),
        "{refused:?}"
    );
    let refused = kept.keep().await;
    assert!(matches!(&refused, Err(UploadError::NotLogged(error)) if is_gone(error)), "{refused:?}");
    drop(begun);
    world.settle().await;
    consistent(&world, &[&c]).await;
}

#[tokio::test(start_paused = true)]
async fn a_conversation_whose_files_cannot_be_removed_is_deleted_all_the_same() {
    for fault in [BlobFault::Refuse, BlobFault::Hang, BlobFault::DoAndHang] {
        for call in [BlobCall::List, BlobCall::Delete] {
            let (world, c, _) = with_picture().await;
            world.blobs.then(call, fault);

            timeout(Duration::from_secs(120), world.conversations.delete(&c)).await.unwrap().unwrap();

            let gone = world.conversations.facts(&c).await;
            assert!(matches!(gone, Err(Unavailable::NotFound)), "{gone:?}");
            // A list that says nothing, or a deletion, is repaired by the next sweep.
            sweep(&world).await;
            assert_eq!(world.blobs.all().await, [], "{call:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_what_is_begun_anew_under_an_old_id_are_its_own() {
    let (world, c, _) = with_picture().await;
    world.blobs.then(BlobCall::List, BlobFault::Refuse);
    world.conversations.delete(&c).await.unwrap();
    assert_eq!(world.blobs.all().await.len(), 1, "the former one's are still there");

    world.conversations.start(start("c", Some("ann"))).await.unwrap();
    send_picture(&world, &c, None).await.unwrap();

    assert_eq!(sweep(&world).await, 1);
    assert_eq!(consistent(&world, &[&c]).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_for_its_age_takes_its_files_along() {
    let (world, c, _) = with_picture().await;
    world.clock.advance(DAY * 7);
    let d = world.start("d", Some("ann")).await;
    send_picture(&world, &d, None).await.unwrap();

    assert_eq!(world.conversations.sweep(&retention(DAY)).await.unwrap(), 1);

    assert_eq!(consistent(&world, &[&c, &d]).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_of_files_that_does_not_answer_does_not_hold_up_what_is_forgotten() {
    let world = World::new();
    for n in 0..50 {
        let c = world.start(&format!("c{n}"), Some("ann")).await;
        send_picture(&world, &c, None).await.unwrap();
    }
    world.clock.advance(DAY * 7);
    world.blobs.always(Some(BlobFault::Hang));

    let swept = timeout(Duration::from_secs(120), world.conversations.sweep(&retention(DAY))).await;

    assert_eq!(swept.unwrap().unwrap(), 50, "it is asked once, not fifty times");
    assert!(world.conversations.sweep_files().await.is_err());
    world.blobs.always(None);
    assert_eq!(sweep(&world).await, 50);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_cannot_be_deleted_goes_on_with_its_files() {
    let (world, c, file) = with_picture().await;
    // The topic was closed for the deletion, and is opened again.
    let other = world.killed();
    timeout(SECOND, world.conversations.delete(&c)).await.unwrap_err();
    assert!(other.conversations.file(&c, &file.id).await.unwrap().is_some());
    send_picture(&other, &c, None).await.unwrap();
    assert_eq!(consistent(&other, &[&c]).await, 2);
}

/// The process dies at every point of an upload; the next one sweeps.
#[tokio::test(start_paused = true)]
async fn wherever_the_process_dies_a_file_is_there_with_its_activity_or_not_at_all() {
    for step in 0..9 {
        let world = World::new();
        let c = world.start("c", Some("ann")).await;
        send_picture(&world, &c, None).await.unwrap();
        world.settle().await;
        let send = || send_of(&c, json!({"type": "message", "from": {"id": "ann"}, "text": "second"}));
        let file = named("a", "text/plain");
        let mut upload = world.conversations.upload(&c).await.unwrap();
        let spoil = |call| world.blobs.then(call, BlobFault::DoAndHang);
        match step {
            0 => {}
            1 => spoil(BlobCall::Create),
            2 => spoil(BlobCall::Write),
            3 => spoil(BlobCall::Finish),
            4 => world.disk.then([Fault::LoseUnknown]),
            5 => world.disk.then([Fault::WriteUnknown]),
            6 => world.disk.then([Fault::Slow(HOUR)]),
            7 => world.blobs.then(BlobCall::Delete, BlobFault::Hang),
            _ => {}
        }
        let all = async {
            take_one(&mut upload, file, b"second", View::Original).await.ok()?;
            if step == 7 {
                // Refused, and killed while it is taken away.
                world.disk.then([Fault::Refuse]);
            }
            if step == 8 {
                // Killed between the end of the file and the append.
                return std::future::pending().await;
            }
            upload.send(send()).await.ok()
        };
        let _ = timeout(SECOND, all).await;

        let next = world.killed();
        sweep(&next).await;

        let said = next.texts(&c).await.contains(&"second".to_owned());
        assert_eq!(entries(&next, &c).await.len(), 1 + usize::from(said), "step {step}");
        assert_eq!(consistent(&next, &[&c]).await, 1 + usize::from(said), "step {step}");
        assert_eq!(said, matches!(step, 0 | 5 | 6), "step {step}");
        assert_eq!(sweep(&next).await, 0, "step {step}: one sweep is enough");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_stays_with_its_conversation_stays() {
    let limits = Limits { file_life: DAY * 365, ..Limits::default() };
    let world = World::with(limits);
    let c = world.start("c", Some("ann")).await;
    send_picture(&world, &c, None).await.unwrap();
    world.clock.advance(DAY * 364);
    assert_eq!(sweep(&world).await, 0);
    assert_eq!(consistent(&world, &[&c]).await, 1);
    world.bots.keep_files();
    send_picture(&world, &c, None).await.unwrap();
    assert_eq!(entries(&world, &c).await.pop().unwrap().until, None);
    world.clock.advance(DAY * 3650);
    assert_eq!(sweep(&world).await, 1, "the first one, which had an end");
    assert_eq!(world.blobs.all().await.len(), 1);
}
