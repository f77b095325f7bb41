//! A file comes in with an activity.

use std::time::Duration;

use landline_core::files::{Quota, QuotaExceeded};
use landline_core::{DeliveryMode, Limits, NotLogged, Unavailable};
use landline_testkit::domain::{Behaviour, BlobCall, BlobFault, Fault};
use tokio::time::timeout;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

async fn world() -> (World, ConversationId) {
    world_with(Limits::default()).await
}

async fn world_with(limits: Limits) -> (World, ConversationId) {
    let world = World::with(limits);
    let conversation = world.start("c", Some("ann")).await;
    (world, conversation)
}

/// How many of a conversation's files and blobs there are, once all is quiet.
async fn kept(world: &World, of: &ConversationId) -> (usize, usize) {
    world.settle().await;
    (entries(world, of).await.len(), consistent(world, &[of]).await)
}

fn message(attachments: Value) -> Value {
    json!({"type": "message", "from": {"id": "ann"}, "attachments": attachments})
}

/// What clients see of the attachments of the newest activity.
async fn attachments(world: &World, of: &ConversationId) -> Vec<Value> {
    let newest = world.history(of, 0).await.unwrap().0.pop().unwrap();
    newest["attachments"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_file_is_kept_with_the_activity_that_it_came_with() {
    let (world, c) = world().await;

    let id = send_picture(&world, &c, None).await.unwrap();

    let (seen, _) = world.history(&c, 0).await.unwrap();
    let attachment = &seen.last().unwrap()["attachments"][0];
    let [file] = &*entries(&world, &c).await else { panic!("one file") };
    assert_eq!(seen.last().unwrap()["id"], id);
    let expected = json!({
        "contentType": "image/png",
        "contentUrl": format!("landline-file:/c/{}/original/a.png", file.id),
        "name": "a.png",
    });
    assert_eq!(*attachment, expected);
    assert_eq!((file.content_type.as_str(), file.bytes), ("image/png", PNG.len() as u64));
    assert_eq!(world.conversations.file(&c, &file.id).await.unwrap().as_ref(), Some(file));
    assert_eq!(kept(&world, &c).await, (1, 1));
    assert_eq!(world.bot.taken().last().unwrap()["attachments"][0], expected, "the bot gets it too");
}

#[tokio::test(start_paused = true)]
async fn a_range_of_a_file_is_read_and_what_is_not_what_was_kept_is_an_error() {
    let (world, c) = world().await;
    send_picture(&world, &c, None).await.unwrap();
    let [file] = &*entries(&world, &c).await else { panic!("one file") };
    let open = async |file: &StoredFile, view, range| {
        let Some(read) = world.conversations.open_file(&c, file, view, range).await? else { return Ok(None) };
        use futures_util::TryStreamExt;
        let pieces: Vec<_> = read.pieces.try_collect().await?;
        Ok::<_, landline_core::store::StoreError>(Some(pieces.concat()))
    };

    assert_eq!(open(file, View::Original, None).await.unwrap().as_deref(), Some(PNG));
    assert_eq!(open(file, View::Original, Some(1..4)).await.unwrap().as_deref(), Some(b"PNG".as_slice()));
    assert_eq!(open(file, View::Thumbnail, None).await.unwrap(), None);
    let longer = StoredFile { bytes: file.bytes + 1, ..file.clone() };
    assert!(open(&longer, View::Original, None).await.is_err());
    world.blobs.then(BlobCall::Read, BlobFault::Hang);
    assert!(timeout(MINUTE, open(file, View::Original, None)).await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn each_file_becomes_what_the_activity_declares_under_its_name() {
    let (world, c) = world().await;
    let txt = |name: &str| (named(name, "text/plain"), b"x".as_slice());
    let files =
        [txt("b"), txt("a"), txt("a"), txt("extra"), txt("filled"), (NewFile::default(), b"y".as_slice())];
    let declared = json!([
        {"name": "a", "contentType": "image/x-mine", "thumbnailUrl": "data:,small", "more": 1.50},
        {"name": "filled", "contentUrl": "data:,here"},
        "nothing", 7, null,
        {"name": "never came"},
        {"name": "a", "contentUrl": null, "contentType": ""},
        {"name": "b", "contentUrl": ""},
        {"name": "extra", "content": {"a": "card"}},
    ]);

    let upload = take(&world, &c, &files).await.unwrap();
    upload.send(send_of(&c, message(declared.clone()))).await.unwrap();

    let seen = attachments(&world, &c).await;
    let ids: Vec<_> = entries(&world, &c).await.into_iter().map(|file| (file.id, file.name)).collect();
    let url = |n: usize| format!("landline-file:/c/{}/original/{}", ids[n].0, ids[n].1);
    let mut expected = declared.as_array().unwrap().clone();
    expected[0]["contentUrl"] = url(1).into();
    expected[6]["contentUrl"] = url(2).into();
    expected[6]["contentType"] = "text/plain".into();
    expected[7]["contentUrl"] = url(0).into();
    expected[7]["contentType"] = "text/plain".into();
    expected.push(json!({"contentType": "text/plain", "contentUrl": url(3), "name": "extra"}));
    expected.push(json!({"contentType": "text/plain", "contentUrl": url(4), "name": "filled"}));
    expected.push(json!({"contentType": "application/octet-stream", "contentUrl": url(5), "name": "file"}));
    assert_eq!(seen, expected);
    assert_eq!(kept(&world, &c).await, (6, 6));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_with_files_keeps_none() {
    let (world, c) = world().await;
    for (activity, why) in [
        (json!({"type": "message", "from": {"id": "ann"}, "attachments": {}}), "must be an array"),
        (json!({"type": "message", "from": {"id": "ann"}, "attachments": "x"}), "must be an array"),
        (json!({"type": "typing", "from": {"id": "ann"}}), "typing"),
        (json!({"type": "conversationUpdate", "from": {"id": "ann"}}), "may not"),
        (json!({"type": "message", "from": {"id": "bot"}}), "bot's"),
        (json!({"type": "message"}), "from.id"),
        (json!({"from": {"id": "ann"}}), "type"),
        (json!({"type": "message", "from": {"id": "ann"}, "text": "x".repeat(300_000)}), "the limit"),
    ] {
        let upload = take(&world, &c, &[(named("a", "text/plain"), b"x")]).await.unwrap();
        let refused = upload.send(send_of(&c, activity.clone())).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{activity}: {refused}");
    }
    let d = world.start("d", Some("ann")).await;
    let upload = take(&world, &c, &[(named("a", "text/plain"), b"x")]).await.unwrap();
    let elsewhere = upload.send(send_of(&d, message(json!([])))).await;
    assert!(matches!(elsewhere, Err(SendError::NotLogged(NotLogged::Nothing(Unavailable::NotFound)))));
    assert_eq!(kept(&world, &c).await, (0, 0));
    assert_eq!(world.history(&c, 0).await.unwrap().0, [json!(null); 0]);
}

#[tokio::test(start_paused = true)]
async fn wherever_an_upload_is_cut_nothing_is_left() {
    let (world, c) = world().await;
    // Dropped behind each of its steps, and in the middle of each that waits.
    for cut in 0..10 {
        let mut upload = world.conversations.upload(&c).await.unwrap();
        take_one(&mut upload, named("first", "text/plain"), b"first", View::Original).await.unwrap();
        let (one, other) = (Bytes::from_static(b"one"), Bytes::from_static(b"other"));
        let file = named("a", "text/plain");
        let hang = |call| world.blobs.then(call, BlobFault::DoAndHang);
        let cut_off = Duration::from_secs(1);
        match cut {
            0 => {}
            1 => upload.begin(file, View::Original).await.unwrap(),
            2..=4 => {
                upload.begin(file, View::Original).await.unwrap();
                upload.write(one).await.unwrap();
                if cut > 2 {
                    upload.write(other).await.unwrap();
                }
                if cut > 3 {
                    upload.end().await.unwrap();
                }
            }
            5 => {
                hang(BlobCall::Create);
                timeout(cut_off, upload.begin(file, View::Original)).await.unwrap_err();
            }
            6 | 7 => {
                upload.begin(file, View::Original).await.unwrap();
                hang(BlobCall::Write);
                timeout(cut_off, upload.write(one)).await.unwrap_err();
                if cut == 7 {
                    assert!(matches!(upload.write(other).await, Err(UploadError::Misused(_))));
                    assert!(matches!(upload.end().await, Err(UploadError::Misused(_))));
                }
            }
            _ => {
                upload.begin(file, View::Original).await.unwrap();
                upload.write(one).await.unwrap();
                hang(BlobCall::Finish);
                timeout(cut_off, upload.end()).await.unwrap_err();
                if cut == 9 {
                    // Nor is the first one sent, which is there whole.
                    let refused = upload.send(send_of(&c, message(json!([])))).await;
                    assert!(matches!(refused, Err(SendError::NotAllowed(_))), "{refused:?}");
                    assert_eq!(kept(&world, &c).await, (0, 0), "cut {cut}");
                    continue;
                }
            }
        }
        drop(upload);
        assert_eq!(kept(&world, &c).await, (0, 0), "cut {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_of_files_that_fails_is_told_and_costs_the_chat_nothing() {
    let (world, c) = world().await;
    for call in [BlobCall::Create, BlobCall::Write, BlobCall::Finish] {
        for fault in [BlobFault::Refuse, BlobFault::Hang, BlobFault::DoAndHang] {
            world.blobs.then(call, fault);
            let failed =
                timeout(MINUTE, take(&world, &c, &[(named("a", "text/plain"), b"abc")])).await.unwrap();
            assert!(matches!(failed, Err(UploadError::Store(_))), "{call:?} {fault:?}: {failed:?}");
        }
    }
    assert_eq!(kept(&world, &c).await, (0, 0));
    world.blobs.always(Some(BlobFault::Hang));
    world.say(&c, "ann", "hello", None).await.unwrap();
    world.blobs.always(None);
    send_picture(&world, &c, None).await.unwrap();
    assert_eq!(kept(&world, &c).await, (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_files_of_a_repeat_are_dropped() {
    let (world, c) = world().await;
    let first = send_picture(&world, &c, Some("k")).await.unwrap();

    let again = send_picture(&world, &c, Some("k")).await.unwrap();

    assert_eq!(first, again);
    assert_eq!(kept(&world, &c).await, (1, 1));
    let facts = world.conversations.facts(&c).await.unwrap();
    assert_eq!(facts.files, entries(&world, &c).await, "nor are they in memory");
}

#[tokio::test(start_paused = true)]
async fn a_refused_append_keeps_nothing_and_an_unknown_one_keeps_the_bytes() {
    let (world, c) = world().await;
    world.say(&c, "ann", "hello", None).await.unwrap();

    world.disk.then([Fault::Refuse]);
    let refused = send_picture(&world, &c, Some("a")).await;
    assert!(matches!(refused, Err(SendError::NotLogged(NotLogged::Nothing(_)))), "{refused:?}");
    assert_eq!(kept(&world, &c).await, (0, 0));

    world.disk.then([Fault::WriteUnknown]);
    let unknown = send_picture(&world, &c, Some("b")).await;
    assert!(matches!(unknown, Err(SendError::NotLogged(NotLogged::Unknown(_)))), "{unknown:?}");
    assert_eq!(kept(&world, &c).await, (1, 1), "it was logged, so its bytes have to be there");
    send_picture(&world, &c, Some("b")).await.unwrap();
    assert_eq!(kept(&world, &c).await, (1, 1));

    world.disk.then([Fault::LoseUnknown]);
    send_picture(&world, &c, Some("c")).await.unwrap_err();
    world.settle().await;
    assert_eq!(world.blobs.all().await.len(), 2, "nobody knows, so nobody touches them");
    assert_eq!(world.conversations.sweep_files().await.unwrap(), 0, "nor does a sweep, at once");
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(world.conversations.sweep_files().await.unwrap(), 1, "but later it does");
    assert_eq!(kept(&world, &c).await, (1, 1));
    // The repeat of what was lost is the first.
    send_picture(&world, &c, Some("c")).await.unwrap();
    assert_eq!(kept(&world, &c).await, (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_a_bot_does_to_the_activity_changes_nothing_for_its_files() {
    let (world, c) = world().await;
    world.settle().await;
    world.bot.then([Behaviour::Answer(500, String::new()), Behaviour::Break]);
    for _ in 0..2 {
        let failed = send_picture(&world, &c, None).await;
        assert!(matches!(failed, Err(SendError::Bot { .. })), "{failed:?}");
    }
    world.bots.set("bot", DeliveryMode::Queued);
    send_picture(&world, &c, None).await.unwrap();
    assert_eq!(kept(&world, &c).await, (3, 3));
    let expected = attachments(&world, &c).await;
    assert_eq!(world.bot.taken().last().unwrap()["attachments"], json!(expected));
}

#[tokio::test(start_paused = true)]
async fn an_upload_to_what_is_not_there_is_refused() {
    let world = World::new();
    let refused = world.conversations.upload(&"c".parse().unwrap()).await;
    assert!(matches!(refused, Err(UploadError::NotLogged(NotLogged::Nothing(Unavailable::NotFound)))));
    let c = world.start("c", Some("ann")).await;
    let refused = world.conversations.upload_from_bot(&"other".parse().unwrap(), &c).await;
    assert!(matches!(refused, Err(UploadError::NotLogged(NotLogged::Nothing(Unavailable::NotFound)))));
}

#[tokio::test(start_paused = true)]
async fn a_file_ends_at_its_limit_and_an_upload_at_its_count() {
    let (world, c) = world_with(Limits { file_bytes: 10, ..Limits::default() }).await;
    take(&world, &c, &[(named("a", "text/plain"), &[0; 10])]).await.unwrap();
    let refused = take(&world, &c, &[(named("a", "text/plain"), &[0; 11])]).await;
    assert!(matches!(refused, Err(UploadError::TooBig { limit: 10 })), "{refused:?}");
    let eleven = vec![(named("a", "text/plain"), b"x".as_slice()); 11];
    let refused = take(&world, &c, &eleven).await;
    assert!(matches!(refused, Err(UploadError::TooMany { limit: 10 })), "{refused:?}");
    let upload = take(&world, &c, &eleven[..10]).await.unwrap();
    upload.send(send_of(&c, message(json!([])))).await.unwrap();
    assert_eq!(kept(&world, &c).await, (10, 10));
}

#[track_caller]
fn quota(refused: &Result<impl std::fmt::Debug, UploadError>) -> (Quota, u64) {
    let Err(UploadError::Quota(QuotaExceeded { quota, limit })) = refused else { panic!("{refused:?}") };
    (*quota, *limit)
}

#[tokio::test(start_paused = true)]
async fn a_conversation_has_room_for_so_many_files() {
    let (world, c) = world_with(Limits { conversation_files: 3, ..Limits::default() }).await;
    let file = (named("a", "text/plain"), b"x".as_slice());
    // Those under way count: two of them, and a third that is dropped.
    let two = take(&world, &c, &[file.clone(), file.clone()]).await.unwrap();
    let third = take(&world, &c, std::slice::from_ref(&file)).await.unwrap();
    let refused = take(&world, &c, std::slice::from_ref(&file)).await;
    assert_eq!(quota(&refused), (Quota::ConversationFiles, 3));
    drop(third);
    world.settle().await;
    two.send(send_of(&c, message(json!([])))).await.unwrap();

    send_picture(&world, &c, Some("last")).await.unwrap();

    assert_eq!(quota(&world.conversations.upload(&c).await), (Quota::ConversationFiles, 3));
    assert_eq!(kept(&world, &c).await, (3, 3));
    // As soon as the time of the first ones is over, and nobody can be reading them any more, there is room.
    world.clock.advance(Duration::from_secs(24 * 3600) + Duration::from_secs(59));
    assert_eq!(quota(&world.conversations.upload(&c).await), (Quota::ConversationFiles, 3));
    world.clock.advance(Duration::from_secs(1));
    send_picture(&world, &c, None).await.unwrap();
    assert_eq!(entries(&world, &c).await.len(), 1, "and they are not remembered");
}

#[tokio::test(start_paused = true)]
async fn a_conversation_and_a_site_have_room_for_so_many_bytes() {
    let limits = Limits { conversation_files_bytes: 100, site_files_bytes: 150, ..Limits::default() };
    let (world, c) = world_with(limits).await;
    let d = world.start("d", Some("ann")).await;
    fn file(bytes: &[u8]) -> [(NewFile, &[u8]); 1] {
        [(named("a", "text/plain"), bytes)]
    }
    let keep = async |of: &ConversationId, bytes: &[u8]| {
        let upload = take(&world, of, &file(bytes)).await?;
        upload.send(send_of(of, message(json!([])))).await.map_err(|error| panic!("{error}"))
    };

    keep(&c, &[0; 90]).await.unwrap();
    assert_eq!(quota(&keep(&c, &[0; 11]).await), (Quota::ConversationBytes, 100));
    world.settle().await;
    assert_eq!(quota(&keep(&d, &[0; 61]).await), (Quota::SiteBytes, 150));
    world.settle().await;
    let under_way = take(&world, &d, &file(&[0; 55])).await.unwrap();
    assert_eq!(quota(&keep(&c, &[0; 6]).await), (Quota::SiteBytes, 150));
    drop(under_way);
    world.settle().await;
    keep(&d, &[0; 60]).await.unwrap();
    assert_eq!(quota(&keep(&d, &[0; 1]).await), (Quota::SiteBytes, 150));
    world.settle().await;
    assert_eq!(consistent(&world, &[&c, &d]).await, 2);

    // Another process knows how much there is as soon as it has looked.
    let world = world.restarted();
    world.conversations.sweep_files().await.unwrap();
    assert_eq!(quota(&take(&world, &d, &file(&[0; 1])).await), (Quota::SiteBytes, 150));
    world.conversations.delete(&c).await.unwrap();
    take(&world, &d, &file(&[0; 1])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_answered_also_when_there_is_no_room_any_more() {
    let (world, c) = world_with(Limits { conversation_files: 2, ..Limits::default() }).await;
    // All three were let in before the first one was logged.
    let mut uploads = Vec::new();
    let file = [(named("a", "text/plain"), b"x".as_slice())];
    for _ in 0..2 {
        uploads.push(take(&world, &c, &file).await.unwrap());
    }
    let mut activity = message(json!([]));
    activity["channelData"] = json!({"clientActivityID": "k"});
    let first = uploads.pop().unwrap().send(send_of(&c, activity.clone())).await.unwrap();
    let repeat = uploads.pop().unwrap();
    // It is full before the repeat is logged: by a bot's file.
    bot_keeps(&world, &c, named("b", "text/plain"), b"b", None).await.unwrap_err();
    world.settle().await;

    let again = repeat.send(send_of(&c, activity)).await.unwrap();

    assert_eq!(first, again);
    assert_eq!(kept(&world, &c).await, (1, 1));
}

#[tokio::test(start_paused = true)]
async fn quotas_are_judged_again_when_files_are_logged() {
    let (world, c) = world_with(Limits { conversation_files: 2, ..Limits::default() }).await;
    let other = world.restarted();
    let file = [(named("a", "text/plain"), b"x".as_slice())];
    // Two processes over one store: what the other one has let in is not known here. The log knows.
    let mut uploads = vec![
        take(&world, &c, &file).await.unwrap(),
        take(&world, &c, &file).await.unwrap(),
        take(&other, &c, &file).await.unwrap(),
    ];
    let send = || send_of(&c, message(json!([])));
    for _ in 0..2 {
        uploads.remove(0).send(send()).await.unwrap();
    }

    let refused = uploads.remove(0).send(send()).await;

    assert!(matches!(refused, Err(SendError::Quota(_))), "{refused:?}");
    other.settle().await;
    assert_eq!(kept(&world, &c).await, (2, 2));
}

#[tokio::test(start_paused = true)]
async fn many_uploads_at_once_stay_within_the_bounds() {
    let (world, c) = world_with(Limits { conversation_files: 12, ..Limits::default() }).await;
    let mut outcomes = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (conversations, c) = (world.conversations.clone(), c.clone());
        outcomes.spawn(async move {
            let mut upload = conversations.upload(&c).await.map_err(|error| error.to_string())?;
            let taken = take_one(&mut upload, named("a", "text/plain"), b"abc", View::Original).await;
            taken.map_err(|error| error.to_string())?;
            let mut activity = message(json!([]));
            activity["from"]["id"] = format!("user{}", n % 5).into();
            upload.send(send_of(&c, activity)).await.map_err(|error| error.to_string())
        });
    }
    let done = outcomes.join_all().await.into_iter().filter(Result::is_ok).count();

    assert_eq!(done, 12);
    assert_eq!(kept(&world, &c).await, (12, 12));
    assert_eq!(world.history(&c, 0).await.unwrap().0.len(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_it_is_logged_cancels_nothing() {
    let (world, c) = world().await;
    world.settle().await;
    world.disk.then([Fault::Slow(Duration::from_secs(5))]);
    let sending = send_picture(&world, &c, None);
    timeout(Duration::from_secs(1), sending).await.unwrap_err();
    assert_eq!(kept(&world, &c).await, (1, 1));
}

fn data_uri(bytes: &[u8]) -> String {
    use base64::Engine;
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

#[tokio::test(start_paused = true)]
async fn a_thumbnail_in_the_activity_is_kept_beside_its_file() {
    let (world, c) = world().await;
    let upload = take(&world, &c, &[(named("a.png", "image/png"), PNG)]).await.unwrap();
    let declared =
        json!([{"name": "a.png", "contentType": "image/png", "thumbnailUrl": data_uri(PNG), "more": 1}]);

    upload.send(send_of(&c, message(declared))).await.unwrap();

    let [file] = &*entries(&world, &c).await else { panic!("one file") };
    let expected = json!([{
        "name": "a.png",
        "contentType": "image/png",
        "thumbnailUrl": format!("landline-file:/c/{}/thumbnail/a.png", file.id),
        "more": 1,
        "contentUrl": format!("landline-file:/c/{}/original/a.png", file.id),
    }]);
    assert_eq!(Value::from(attachments(&world, &c).await), expected);
    assert_eq!(file.all_bytes(), 2 * PNG.len() as u64);
    assert_eq!(kept(&world, &c).await, (1, 2), "both have their bytes");
}

#[tokio::test(start_paused = true)]
async fn a_thumbnail_that_cannot_be_kept_stays_in_its_activity() {
    for bytes in [PNG, b"<svg/>"] {
        let limits = Limits { conversation_files_bytes: PNG.len() as u64, ..Limits::default() };
        let (world, c) = world_with(limits).await;
        let upload = take(&world, &c, &[(named("a.png", "image/png"), PNG)]).await.unwrap();
        let declared = json!([{"name": "a.png", "thumbnailUrl": data_uri(bytes)}]);

        upload.send(send_of(&c, message(declared))).await.unwrap();

        assert_eq!(attachments(&world, &c).await[0]["thumbnailUrl"], data_uri(bytes));
        assert_eq!(kept(&world, &c).await, (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_activity_may_be_as_large_as_ever_without_its_thumbnails() {
    let limit = 2_000;
    let (world, c) = world_with(Limits { activity_bytes: limit, ..Limits::default() }).await;
    let large = [PNG, &[7; 100_000]].concat();
    let upload = take(&world, &c, &[(named("a.png", "image/png"), PNG)]).await.unwrap();
    let declared = json!([{"name": "a.png", "thumbnailUrl": data_uri(&large)}]);
    upload.send(send_of(&c, message(declared))).await.unwrap();

    for files in [&[][..], &[(named("b.png", "image/png"), PNG)]] {
        let upload = take(&world, &c, files).await.unwrap();
        let mut activity = message(json!([]));
        activity["text"] = "x".repeat(limit + 8_000).into();
        let refused = upload.send(send_of(&c, activity)).await;
        assert!(matches!(refused, Err(SendError::TooBig { .. })), "{refused:?}");
    }
    assert_eq!(kept(&world, &c).await, (1, 2));
}
