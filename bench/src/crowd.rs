//! Many clients at once: conversations started side by side, senders that send as fast as they are answered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use landline_testkit::client::{Client, Conversation};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::rig::Rig;

/// Somebody's place in a conversation.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) conversation: String,
    pub(crate) token: String,
    pub(crate) user: String,
}

/// A message of the size people write.
pub(crate) fn message(user: &str, number: usize) -> Value {
    json!({
        "type": "message",
        "from": {"id": user},
        "locale": "en-US",
        "textFormat": "plain",
        "text": format!("message {number} of {user}: could you tell me when the next train leaves, please?"),
        "channelData": {"clientActivityID": format!("{user}-{number}")},
    })
}

/// Starts `count` conversations, `width` at a time, and sends `activities` into each.
pub(crate) async fn start_conversations(
    rig: &Rig,
    count: usize,
    width: usize,
    activities: usize,
) -> Result<Vec<Seat>> {
    let next = Arc::new(AtomicUsize::new(0));
    let seats = Arc::new(Mutex::new(Vec::with_capacity(count)));
    let mut workers = JoinSet::new();
    for _ in 0..width {
        let (next, seats) = (next.clone(), seats.clone());
        let (server, secret) = (rig.server.address(), rig.server.secret().to_owned());
        workers.spawn(async move {
            let mut client = Client::new(server);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                let user = format!("user-{number}");
                let Conversation { conversation_id: conversation, token, .. } =
                    client.start(&secret, Some(&json!({"user": {"id": user}}))).await?;
                for activity in 0..activities {
                    client.send(&token, &conversation, &message(&user, activity)).await?;
                }
                let seat = Seat { conversation, token, user };
                seats.lock().unwrap_or_else(PoisonError::into_inner).push(seat);
            }
        });
    }
    join_all(workers).await.context("cannot start the conversations")?;
    let seats = std::mem::take(&mut *seats.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(seats)
}

/// Seats for `count` users in one and the same conversation.
pub(crate) async fn share_conversation(rig: &Rig, count: usize) -> Result<Vec<Seat>> {
    let mut client = Client::new(rig.server.address());
    let secret = rig.server.secret();
    let conversation = client.start(secret, None).await?.conversation_id;
    let mut seats = Vec::new();
    for number in 0..count {
        let user = format!("sharer-{number}");
        let body = json!({"conversationId": conversation, "user": {"id": user}});
        let token = client.generate_token(secret, &body).await?.token;
        seats.push(Seat { conversation: conversation.clone(), token, user });
    }
    Ok(seats)
}

/// What senders did between two moments.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) accepted_per_second: f64,
    pub(crate) times: Vec<Duration>,
}

/// One sender per seat, each sending its next as soon as the one before was accepted. What was accepted in
/// the first `warm_up` is not counted.
pub(crate) async fn send_all(
    server: SocketAddr,
    seats: &[Seat],
    warm_up: Duration,
    run: Duration,
    first_number: usize,
) -> Result<Round> {
    let from = Instant::now() + warm_up;
    let to = from + run;
    let mut senders = JoinSet::new();
    for seat in seats {
        senders.spawn(send_until(server, seat.clone(), from, to, first_number));
    }
    let mut times = Vec::new();
    while let Some(sender) = senders.join_next().await {
        times.extend(sender??);
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of a few seconds")]
    let accepted_per_second = times.len() as f64 / run.as_secs_f64();
    Ok(Round { accepted_per_second, times })
}

async fn send_until(
    server: SocketAddr,
    seat: Seat,
    from: Instant,
    to: Instant,
    first_number: usize,
) -> Result<Vec<Duration>> {
    let mut client = Client::new(server);
    let mut times = Vec::new();
    let mut number = first_number;
    loop {
        let began = Instant::now();
        if began >= to {
            return Ok(times);
        }
        client.send(&seat.token, &seat.conversation, &message(&seat.user, number)).await?;
        number += 1;
        let ended = Instant::now();
        if ended >= from && ended < to {
            times.push(ended - began);
        }
    }
}

/// Keeps senders busy until `stop`; a load in the background, whose times nobody counts.
pub(crate) async fn keep_sending(
    server: SocketAddr,
    seats: Vec<Seat>,
    stop: CancellationToken,
) -> Result<()> {
    let mut senders = JoinSet::new();
    for seat in seats {
        let stop = stop.clone();
        senders.spawn(async move {
            let mut client = Client::new(server);
            let mut number = 0;
            while !stop.is_cancelled() {
                client.send(&seat.token, &seat.conversation, &message(&seat.user, number)).await?;
                number += 1;
            }
            Ok(())
        });
    }
    join_all(senders).await
}

/// Waits for all of them; the first that failed ends it.
pub(crate) async fn join_all(mut tasks: JoinSet<Result<()>>) -> Result<()> {
    while let Some(task) = tasks.join_next().await {
        match task {
            Ok(result) => result?,
            Err(error) => bail!("a worker ended badly: {error}"),
        }
    }
    Ok(())
}
