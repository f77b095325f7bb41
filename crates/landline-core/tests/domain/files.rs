//! Files: what comes in is kept whole with its activity, or not at all.

mod kill;
mod own_links;
mod sweep;
mod upload;

use bytes::Bytes;
use landline_core::files::{NewFile, StoredFile, Upload, UploadError};
use landline_core::store::{BlobKey, View};
use landline_core::{ClientSend, SendError};
use landline_protocol::{Activity, ConversationId};
use landline_testkit::domain::{World, bot_name};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

fn named(name: &str, content_type: &str) -> NewFile {
    NewFile { name: Some(name.to_owned()), content_type: Some(content_type.to_owned()) }
}

/// Takes files of a client, each in two pieces.
async fn take(world: &World, to: &ConversationId, files: &[(NewFile, &[u8])]) -> Result<Upload, UploadError> {
    let mut upload = world.conversations.upload(to).await?;
    for (file, bytes) in files {
        take_one(&mut upload, file.clone(), bytes, View::Original).await?;
    }
    Ok(upload)
}

async fn take_one(upload: &mut Upload, file: NewFile, bytes: &[u8], view: View) -> Result<(), UploadError> {
    upload.begin(file, view).await?;
    let (one, other) = bytes.split_at(bytes.len() / 2);
    upload.write(Bytes::copy_from_slice(one)).await?;
    upload.write(Bytes::copy_from_slice(other)).await?;
    upload.end().await
}

fn send_of(to: &ConversationId, activity: Value) -> ClientSend {
    let activity = Activity::parse(activity.to_string().as_bytes()).unwrap();
    ClientSend { conversation: to.clone(), user: None, activity, idempotency_key: None }
}

/// Sends one picture as a user, under a client's own name for it where one is given.
async fn send_picture(world: &World, to: &ConversationId, key: Option<&str>) -> Result<String, SendError> {
    let upload = take(world, to, &[(named("a.png", "image/png"), PNG)]).await.unwrap();
    let mut activity = json!({"type": "message", "from": {"id": "ann"}});
    if let Some(key) = key {
        activity["channelData"] = json!({"clientActivityID": key});
    }
    upload.send(send_of(to, activity)).await
}

/// The entries of a conversation, as they are on disk.
async fn entries(world: &World, of: &ConversationId) -> Vec<StoredFile> {
    use landline_core::store::{LogStore, ReadError};
    match world.disk.head(of).await {
        Ok(head) => {
            let facts: Value = serde_json::from_slice(&head.facts).unwrap();
            serde_json::from_value(facts.get("files").cloned().unwrap_or_else(|| json!([]))).unwrap()
        }
        Err(ReadError::NotFound) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

/// Every blob has an entry, and every entry whose time is not over has its blobs, of the right bytes. Returns how many
/// blobs there are.
async fn consistent(world: &World, conversations: &[&ConversationId]) -> usize {
    use landline_core::Clock;
    let (mut known, now) = (Vec::new(), world.clock.now());
    for conversation in conversations {
        for file in entries(world, conversation).await {
            for view in [View::Original, View::Thumbnail] {
                let Some(kept) = file.view(view) else { continue };
                let key = BlobKey { conversation: (*conversation).clone(), file: file.id.clone(), view };
                if !file.is_over(now) {
                    let bytes = world.blobs.bytes_of(&key).await.unwrap();
                    assert_eq!(bytes.len() as u64, kept.bytes);
                    assert_eq!(<[u8; 32]>::from(Sha256::digest(&bytes)), *kept.digest.as_bytes());
                }
                known.push(key);
            }
        }
    }
    let all = world.blobs.all().await;
    for blob in &all {
        assert!(known.contains(&blob.key), "an entry for every blob; {:?} has none", blob.key);
    }
    all.len()
}

/// Keeps a file for the bot, with a thumbnail where it has one.
async fn bot_keeps(
    world: &World,
    of: &ConversationId,
    file: NewFile,
    bytes: &[u8],
    thumbnail: Option<&[u8]>,
) -> Result<StoredFile, UploadError> {
    let mut upload = world.conversations.upload_from_bot(&bot_name(), of).await?;
    take_one(&mut upload, file, bytes, View::Original).await?;
    if let Some(bytes) = thumbnail {
        take_one(&mut upload, named("small", "image/png"), bytes, View::Thumbnail).await?;
    }
    upload.keep().await
}
