//! Clients that move files, all they can; each over a line of its own, one file after the other.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landline_testkit::bulk::{Bulk, BulkAnswer};
use landline_testkit::client::{Client, Conversation};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::Common;
use crate::rig::{Rig, UNLIMITED};

pub(crate) const MIB: u64 = 1024 * 1024;
/// A file that takes longer has failed.
const FILE_WITHIN: Duration = Duration::from_secs(300);
/// Nothing of what is measured is to be refused.
const LIMITS: &str = "[limits]\nfile_size = \"4GiB\"\nconversation_files = 10000\n\
    conversation_files_size = \"100GiB\"\nsite_files_size = \"1000GiB\"\n";

/// What is moved in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) clients: usize,
    /// Of all clients together.
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// Where one client moves its files to and from.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    Landline { server: SocketAddr, seat: Box<Conversation>, user: String },
    Bare { server: SocketAddr, up: String, down: String },
}

/// A server that takes large files.
pub(crate) async fn rig(common: &Common) -> Result<Rig> {
    Rig::start_with(common, format!("{LIMITS}{UNLIMITED}")).await
}

/// A conversation for each client.
pub(crate) async fn seats(rig: &Rig, count: usize) -> Result<Vec<Door>> {
    let server = rig.server.address();
    let mut client = Client::new(server);
    let mut doors = Vec::new();
    for number in 0..count {
        let user = format!("uploader-{number}");
        let body = json!({"user": {"id": user}});
        let seat = client.start(rig.server.secret(), Some(&body)).await.context("cannot start")?;
        doors.push(Door::Landline { server, seat: Box::new(seat), user });
    }
    Ok(doors)
}

/// All files of a case go up. Gives MB (10^6 bytes) in a second.
pub(crate) async fn upload(doors: &[Door], case: Case) -> Result<f64> {
    let mut clients = JoinSet::new();
    let began = Instant::now();
    for (number, door) in doors.iter().enumerate() {
        let (door, files) = (door.clone(), share(case, number));
        clients.spawn(async move {
            let mut bulk = Bulk::connect(door.server()).await?;
            for _ in 0..files {
                timeout(FILE_WITHIN, door.upload(&mut bulk, case.bytes))
                    .await
                    .context("an upload hangs")??;
            }
            Ok(())
        });
    }
    finish(clients, began, case).await
}

/// The same down: each client the file that it has sent last, as often as it has sent one.
pub(crate) async fn download(doors: &[Door], case: Case) -> Result<f64> {
    let mut links = Vec::new();
    for door in doors {
        links.push(door.link(case.bytes).await?);
    }
    let mut clients = JoinSet::new();
    let began = Instant::now();
    for (number, (door, link)) in doors.iter().zip(links).enumerate() {
        let (server, files) = (door.server(), share(case, number));
        clients.spawn(async move {
            let mut bulk = Bulk::connect(server).await?;
            for _ in 0..files {
                let one = get(&mut bulk, &link, case.bytes);
                timeout(FILE_WITHIN, one).await.context("a download hangs")??;
            }
            Ok(())
        });
    }
    finish(clients, began, case).await
}

/// One file, whole.
pub(crate) async fn get(bulk: &mut Bulk, link: &str, bytes: u64) -> Result<()> {
    bulk.head("GET", link, &[], 0).await?;
    let answer = bulk.answer().await?;
    ensure!(answer.status == 200 && answer.bytes == bytes, "a download was answered {}", tell(&answer));
    Ok(())
}

fn share(case: Case, client: usize) -> u64 {
    let (clients, client) = (case.clients.max(1) as u64, client as u64);
    case.files / clients + u64::from(client < case.files % clients)
}

async fn finish(mut clients: JoinSet<Result<()>>, began: Instant, case: Case) -> Result<f64> {
    while let Some(client) = clients.join_next().await {
        client??;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let megabytes = (case.files * case.bytes) as f64 / 1e6;
    Ok(megabytes / began.elapsed().as_secs_f64())
}

impl Door {
    pub(crate) fn server(&self) -> SocketAddr {
        match self {
            Self::Landline { server, .. } | Self::Bare { server, .. } => *server,
        }
    }

    /// Sends the head of an upload, after which its bytes are to follow.
    pub(crate) async fn begin(&self, bulk: &mut Bulk, bytes: u64) -> Result<()> {
        match self {
            Self::Landline { seat, user, .. } => {
                let Conversation { conversation_id, token, .. } = &**seat;
                let path = format!("/v3/directline/conversations/{conversation_id}/upload?userId={user}");
                let authorization = format!("Bearer {token}");
                let headers = [
                    ("authorization", authorization.as_str()),
                    ("content-type", "application/octet-stream"),
                    ("content-disposition", "name=\"file\"; filename=\"bench.bin\""),
                ];
                bulk.head("POST", &path, &headers, bytes).await
            }
            Self::Bare { up, .. } => bulk.head("POST", up, &[], bytes).await,
        }
    }

    /// The end of an upload: its answer.
    pub(crate) async fn end(&self, bulk: &mut Bulk) -> Result<()> {
        let answer = bulk.answer().await?;
        ensure!(answer.status == 200, "an upload was answered {}", tell(&answer));
        Ok(())
    }

    async fn upload(&self, bulk: &mut Bulk, bytes: u64) -> Result<()> {
        self.begin(bulk, bytes).await?;
        bulk.body(bytes).await?;
        self.end(bulk).await
    }

    /// Path and query of the last file.
    pub(crate) async fn link(&self, bytes: u64) -> Result<String> {
        let (server, seat) = match self {
            Self::Landline { server, seat, .. } => (server, seat),
            Self::Bare { down, .. } => return Ok(format!("{down}?{bytes}")),
        };
        let Conversation { conversation_id, token, .. } = &**seat;
        let mut client = Client::new(*server);
        let (mut watermark, mut last) = (String::from("0"), None);
        loop {
            let set = client.poll(token, conversation_id, Some(&watermark), None).await?;
            let next = set.watermark.context("a poll without a watermark")?;
            let mut links = set
                .activities
                .iter()
                .filter_map(|activity| activity["attachments"][0]["contentUrl"].as_str());
            last = links.next_back().map(str::to_owned).or(last);
            if next == watermark {
                break;
            }
            watermark = next;
        }
        let link = last.context("no upload in the conversation")?;
        let path =
            link.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned()));
        path.with_context(|| format!("no link: {link}"))
    }
}

fn tell(answer: &BulkAnswer) -> String {
    let start = &answer.start[..answer.start.len().min(300)];
    format!("{} with {} bytes, {}", answer.status, answer.bytes, String::from_utf8_lossy(start))
}
