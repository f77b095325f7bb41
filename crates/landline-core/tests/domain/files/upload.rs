//! A file comes in with an activity.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_file_is_kept_with_the_activity_that_it_came_with() {
    let world = World::new();
    let c = world.start("c", Some("ann")).await;

    let id = send_picture(&world, &c, None).await.unwrap();

    let (seen, _) = world.history(&c, 0).await.unwrap();
    let attachment = &seen.last().unwrap()["attachments"][0];
    let [file] = &*entries(&world, &c).await else { panic!("one file") };
    assert_eq!(seen.last().unwrap()["id"], id);
    assert_eq!(
        (attachment["name"].as_str(), attachment["contentType"].as_str()),
        (Some("a.png"), Some("image/png"))
    );
    assert_eq!(attachment["contentUrl"], format!("landline-file:/c/{}/original/a.png", file.id));
    assert_eq!((file.content_type.as_str(), file.bytes), ("image/png", PNG.len() as u64));
    assert_eq!(world.conversations.file(&c, &file.id).await.unwrap().as_ref(), Some(file));
    assert_eq!(consistent(&world, &[&c]).await, 1);
    let read = world.conversations.open_file(&c, file, View::Original, Some(1..4)).await.unwrap().unwrap();
    let pieces: Vec<_> = futures_util::StreamExt::collect::<Vec<_>>(read.pieces).await;
    assert_eq!(
        (read.bytes, pieces.into_iter().map(Result::unwrap).collect::<Vec<_>>().concat()),
        (PNG.len() as u64, b"PNG".to_vec())
    );
}
