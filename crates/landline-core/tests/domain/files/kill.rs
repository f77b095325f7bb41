//! The process dies: at each step of an upload that reaches a disk, before the step has any effect, and after it had all of
//! it and nobody was told. Whatever was there then, the next process has either all of it or nothing.

use std::time::Duration;

use landline_testkit::domain::{BlobCall, BlobFault, Fault};
use tokio::time::{sleep, timeout};

use super::*;

/// What an upload of two files asks of the store of files, in order. Then there is one append.
const CALLS: [BlobCall; 8] = [
    BlobCall::Create,
    BlobCall::Write,
    BlobCall::Write,
    BlobCall::Finish,
    BlobCall::Create,
    BlobCall::Write,
    BlobCall::Write,
    BlobCall::Finish,
];
const APPEND: usize = CALLS.len();
const MOMENTS: [BlobFault; 2] = [BlobFault::Hang, BlobFault::DoAndHang];
/// Longer than any step that does not hang, and shorter than the wait for one that does.
const HANGS: Duration = Duration::from_secs(1);
/// Longer than anything that the dead process still waits for.
const LONG: Duration = Duration::from_secs(120);

/// Goes on to `dies_at` and no further.
async fn upload(world: &World, to: &ConversationId, dies_at: usize, moment: BlobFault) {
    let mut upload = world.conversations.upload(to).await.unwrap();
    let mut step = 0;
    let mut next = || {
        if step == dies_at {
            world.blobs.then(CALLS[step], moment);
        }
        step += 1;
    };
    for name in ["a.png", "b.png"] {
        next();
        upload.begin(named(name, "image/png"), View::Original).await.unwrap();
        for piece in [&PNG[..5], &PNG[5..]] {
            next();
            upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        next();
        upload.end().await.unwrap();
    }
    if dies_at == APPEND {
        world.disk.then([append_fault(moment)]);
    }
    upload.send(send_of(to, message())).await.unwrap();
}

fn append_fault(moment: BlobFault) -> Fault {
    if moment == BlobFault::DoAndHang { Fault::WriteAndHang } else { Fault::Hang }
}

fn message() -> Value {
    json!({"type": "message", "from": {"id": "ann"}, "text": "two pictures", "channelData": {"clientActivityID": "k"}})
}

/// The process dies in the middle of `work`; another one begins, and sweeps.
async fn dies(world: &World, work: impl Future<Output = ()>) -> World {
    let mut work = Box::pin(work);
    assert!(timeout(HANGS, &mut work).await.is_err(), "it has come to its end");
    let next = world.killed();
    drop(work);
    sleep(LONG).await;
    next.conversations.sweep_files().await.unwrap();
    next
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_step_of_an_upload_all_of_it_is_there_or_nothing() {
    for (step, moment) in (0..=APPEND).flat_map(|step| MOMENTS.map(|moment| (step, moment))) {
        let world = World::new();
        let c = world.start("c", Some("ann")).await;

        let next = dies(&world, upload(&world, &c, step, moment)).await;

        let is_logged = (step, moment) == (APPEND, BlobFault::DoAndHang);
        let blobs = consistent(&next, &[&c]).await;
        assert_eq!(
            (blobs, next.texts(&c).await.len()),
            if is_logged { (2, 1) } else { (0, 0) },
            "{step} {moment:?}"
        );

        // Sent again under the same name, it is there once.
        let pictures = [(named("a.png", "image/png"), PNG), (named("b.png", "image/png"), PNG)];
        let again = take(&next, &c, &pictures).await.unwrap();
        again.send(send_of(&c, message())).await.unwrap();
        sleep(LONG).await;
        assert_eq!(next.texts(&c).await, ["two pictures"], "{step} {moment:?}");
        assert_eq!(consistent(&next, &[&c]).await, 2, "{step} {moment:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn killed_while_a_cut_upload_is_taken_away_nothing_is_left() {
    for moment in MOMENTS {
        let world = World::new();
        let c = world.start("c", Some("ann")).await;
        let cut = async {
            let pictures = [(named("a.png", "image/png"), PNG), (named("b.png", "image/png"), PNG)];
            let upload = take(&world, &c, &pictures).await.unwrap();
            world.blobs.then(BlobCall::Delete, moment);
            drop(upload);
            std::future::pending().await
        };

        let next = dies(&world, cut).await;

        assert_eq!(consistent(&next, &[&c]).await, 0, "{moment:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn killed_while_a_bots_file_is_kept_it_is_kept_or_gone() {
    for moment in MOMENTS {
        let world = World::new();
        let c = world.start("c", Some("ann")).await;
        let kept = async {
            let bot = "bot".parse().unwrap();
            let mut upload = world.conversations.upload_from_bot(&bot, &c).await.unwrap();
            take_one(&mut upload, named("a.png", "image/png"), PNG, View::Original).await.unwrap();
            take_one(&mut upload, named("small", "image/png"), PNG, View::Thumbnail).await.unwrap();
            world.disk.then([append_fault(moment)]);
            drop(upload.keep().await);
        };

        let next = dies(&world, kept).await;

        let blobs = if moment == BlobFault::DoAndHang { 2 } else { 0 };
        assert_eq!(consistent(&next, &[&c]).await, blobs, "{moment:?}");
    }
}
