//! Honest clients: each has a conversation and a stream, and now and then sends, polls, and waits to see what it sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use landline_testkit::client::{CallError, Client, Conversation, Stream, StreamEvent};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

use std::net::SocketAddr;

/// How often each client sends and polls.
const TURN: Duration = Duration::from_secs(4);

/// What is not seen after this long is an error. The stock client gives up a request then.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many clients start at once.
const STARTS_AT_ONCE: usize = 16;

/// What the clients saw since it was last looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) sends: Vec<Duration>,
    pub(crate) polls: Vec<Duration>,
    /// From before the send until what was sent comes by the stream.
    pub(crate) streams: Vec<Duration>,
    pub(crate) errors: Vec<String>,
}

/// All of them.
pub(crate) struct Honest {
    seen: Arc<Mutex<Seen>>,
    tasks: JoinSet<()>,
}

impl Honest {
    /// Starts so many, and waits until each has its stream.
    pub(crate) async fn start(server: SocketAddr, secret: &str, count: usize) -> Result<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let starts = Arc::new(Semaphore::new(STARTS_AT_ONCE));
        let mut opening = JoinSet::new();
        for number in 0..count {
            let (secret, starts) = (secret.to_owned(), Arc::clone(&starts));
            opening.spawn(async move {
                let _start = starts.acquire().await;
                Person::start(server, &secret, number).await
            });
        }
        let mut tasks = JoinSet::new();
        while let Some(person) = opening.join_next().await {
            let person = person?.context("an honest client could not start")?;
            tasks.spawn(person.live(Arc::clone(&seen)));
        }
        Ok(Self { seen, tasks })
    }

    /// What was seen since the last call.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many are still there. One that ends has failed.
    pub(crate) fn count(&self) -> usize {
        self.tasks.len()
    }
}

struct Person {
    number: usize,
    client: Client,
    conversation: Conversation,
    stream: Stream,
}

impl Person {
    async fn start(server: SocketAddr, secret: &str, number: usize) -> Result<Self, CallError> {
        let mut client = Client::new(server);
        let user = json!({"user": {"id": format!("honest-{number}")}});
        let token = client.generate_token(secret, &user).await?;
        let conversation = client.start(&token.token, Some(&user)).await?;
        let stream = Stream::open(&conversation.stream_url).await?;
        Ok(Self { number, client, conversation, stream })
    }

    async fn live(mut self, seen: Arc<Mutex<Seen>>) {
        let note = |act: &dyn Fn(&mut Seen)| act(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
        sleep(TURN * u32::try_from(self.number % 1000).unwrap_or(0) / 1000).await;
        let mut turns = interval(TURN);
        for turn in 0_u64.. {
            turns.tick().await;
            match self.turn(turn).await {
                Ok((send, poll, stream)) => note(&|seen| {
                    seen.sends.push(send);
                    seen.polls.push(poll);
                    seen.streams.push(stream);
                }),
                Err(error) => note(&|seen| seen.errors.push(error.clone())),
            }
        }
    }

    /// Sends, sees it come by the stream with the echo of it, polls.
    async fn turn(&mut self, turn: u64) -> Result<(Duration, Duration, Duration), String> {
        let text = format!("{}-{turn}", self.number);
        let message =
            json!({"type": "message", "from": {"id": format!("honest-{}", self.number)}, "text": text});
        let Conversation { conversation_id, token, .. } = &self.conversation;
        let began = Instant::now();
        let stream = &mut self.stream;
        let (sent, shown) = tokio::join!(
            async {
                let sent = self.client.send(token, conversation_id, &message).await;
                sent.map(|_| began.elapsed()).map_err(|error| format!("send: {error}"))
            },
            async {
                let shown = timeout(PATIENCE, until_shown(stream, &text)).await;
                shown.map_err(|_| "stream: nothing came".to_owned())??;
                Ok::<_, String>(began.elapsed())
            }
        );
        let (sent, shown) = (sent?, shown?);
        let began = Instant::now();
        let page = self.client.poll(token, conversation_id, None, None).await;
        page.map_err(|error| format!("poll: {error}"))?;
        Ok((sent, began.elapsed(), shown))
    }
}

async fn until_shown(stream: &mut Stream, text: &str) -> Result<(), String> {
    loop {
        match stream.next().await.map_err(|error| format!("stream: {error}"))? {
            StreamEvent::Activities(set) if set.texts().contains(&text) => return Ok(()),
            StreamEvent::Activities(_) | StreamEvent::Alive => {}
            StreamEvent::Closed(why) => return Err(format!("stream: closed: {why:?}")),
        }
    }
}
