//! A server, a bot and clients, tied together for a test: three lines to a conversation.
//!
//! The process and its data end with the value.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bot::{Bot, Mode};
use crate::client::{ActivitySet, CallError, Client, Conversation, Stream};
use crate::process::{ServerOptions, ServerProcess};

/// A start that takes longer has failed.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The site's secret of every test server; it opens nothing else.
pub const TEST_SECRET: &str = "testkit-secret-0123456789-0123456789-0123456789";

/// A running server with its bot and a folder of its own.
#[derive(Debug)]
pub struct TestServer {
    pub process: ServerProcess,
    pub bot: Bot,
    folder: TempDir,
}

impl TestServer {
    /// Starts `binary` with a bot that behaves as `mode` says.
    pub async fn start(binary: &Path, mode: Mode) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let bot = Bot::start(mode).await?;
        let options = ServerOptions {
            binary: binary.to_owned(),
            folder: folder.path().to_owned(),
            bot: bot.endpoint(),
            secret: TEST_SECRET.to_owned(),
            queued: None,
            more: String::new(),
            ready_within: READY_WITHIN,
        };
        let (process, _) = ServerProcess::start(options).await?;
        Ok(Self { process, bot, folder })
    }

    /// `kill -9`, and up again with the same data on the same ports.
    pub async fn crash(&mut self) -> Result<()> {
        self.process.kill().await?;
        self.process.start_again().await?;
        Ok(())
    }

    /// Somebody who has started a conversation of their own.
    pub async fn client(&self, name: &str) -> Result<Actor, CallError> {
        let mut client = Client::new(self.process.address());
        let user = json!({"user": {"id": name}});
        let token = client.generate_token(self.process.secret(), &user).await?;
        let conversation = client.start(&token.token, Some(&user)).await?;
        Ok(Actor { name: name.to_owned(), client, conversation })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// One person in one conversation.
#[derive(Debug)]
pub struct Actor {
    name: String,
    pub client: Client,
    pub conversation: Conversation,
}

impl Actor {
    /// Sends a message. Gives its id.
    pub async fn say(&mut self, text: &str) -> Result<String, CallError> {
        let activity = json!({"type": "message", "from": {"id": self.name}, "text": text});
        self.send(&activity).await
    }

    /// Sends any activity. Gives its id.
    pub async fn send(&mut self, activity: &Value) -> Result<String, CallError> {
        let Conversation { conversation_id, token, .. } = &self.conversation;
        self.client.send(token, conversation_id, activity).await
    }

    /// One page after `watermark`.
    pub async fn poll(&mut self, watermark: Option<&str>) -> Result<ActivitySet, CallError> {
        let Conversation { conversation_id, token, .. } = &self.conversation;
        self.client.poll(token, conversation_id, watermark, None).await
    }

    /// A stream that goes on after `watermark`.
    pub async fn stream(&mut self, watermark: Option<&str>) -> Result<Stream, CallError> {
        let Conversation { conversation_id, token, .. } = &self.conversation;
        let again = self.client.reconnect(token, conversation_id, watermark).await?;
        Stream::open(&again.stream_url).await
    }
}

impl ActivitySet {
    /// The texts of its messages.
    pub fn texts(&self) -> Vec<&str> {
        self.activities.iter().filter_map(|activity| activity["text"].as_str()).collect()
    }
}
