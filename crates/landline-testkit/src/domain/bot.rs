//! A bot that does what a test says, and remembers what it got.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use landline_core::{BotAnswer, BotEvent, BotEvents, BotFailure, BotRequest, BotTransport, Wanted};
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

/// What the bot does with one attempt.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Takes it and answers.
    Answer(u16, String),
    /// Answers with this status, and asks to be left alone for so long.
    RetryAfter(u16, Duration),
    /// Takes it, and answers with events, each after a pause: its name and what it says. `None` is a line that breaks.
    Stream(Vec<(Duration, Option<(&'static str, Value)>)>),
    /// Takes it, and answers after a while.
    Slow(Duration, u16),
    /// Cannot be reached.
    Away,
    /// Takes it and says nothing until the deadline.
    Hang,
    /// Takes it and breaks the line.
    Break,
}

/// See the module. Without a script it answers 200 to everything.
#[derive(Debug, Default)]
pub struct ScriptedBot {
    script: Mutex<VecDeque<Behaviour>>,
    attempts: Mutex<Vec<Value>>,
    taken: Mutex<Vec<Value>>,
    times: Mutex<Vec<Instant>>,
    always: Mutex<HashMap<String, Behaviour>>,
}

impl ScriptedBot {
    /// What to do with the next attempts; afterwards 200 again.
    pub fn then(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        lock(&self.script).extend(behaviours);
    }

    /// What the bot of this name does from now on, whatever the script says.
    pub fn always(&self, bot: &str, behaviour: Behaviour) {
        lock(&self.always).insert(bot.to_owned(), behaviour);
    }

    /// When each of [`Self::attempts`] began.
    pub fn times(&self) -> Vec<Instant> {
        lock(&self.times).clone()
    }

    /// Every attempt, those that did not reach it included.
    pub fn attempts(&self) -> Vec<Value> {
        lock(&self.attempts).clone()
    }

    /// What reached it, in order.
    pub fn taken(&self) -> Vec<Value> {
        lock(&self.taken).clone()
    }

    /// The texts of the messages that reached it.
    pub fn texts(&self) -> Vec<String> {
        self.taken().iter().filter_map(|activity| activity["text"].as_str().map(str::to_owned)).collect()
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BotTransport for ScriptedBot {
    fn post(
        &self,
        request: BotRequest,
    ) -> Pin<Box<dyn Future<Output = Result<BotAnswer, BotFailure>> + Send>> {
        let always = lock(&self.always).get(request.bot.as_str()).cloned();
        let behaviour = always
            .or_else(|| lock(&self.script).pop_front())
            .unwrap_or_else(|| Behaviour::Answer(200, String::new()));
        let activity: Value = serde_json::from_slice(&request.body).expect("the bot gets JSON");
        lock(&self.attempts).push(activity.clone());
        lock(&self.times).push(Instant::now());
        if !matches!(behaviour, Behaviour::Away) {
            lock(&self.taken).push(activity);
        }
        Box::pin(async move {
            match behaviour {
                Behaviour::Answer(status, body) => Ok(BotAnswer::new(status, Bytes::from(body))),
                Behaviour::RetryAfter(status, time) => {
                    Ok(BotAnswer { retry_after: Some(time), ..BotAnswer::new(status, Bytes::new()) })
                }
                Behaviour::Stream(events) => {
                    let events = futures_util::stream::iter(events).then(|(pause, event)| async move {
                        sleep(pause).await;
                        match event {
                            None => Err(BotFailure::Broken("reset".into())),
                            Some((name, data)) => {
                                Ok(BotEvent { name: name.into(), data: data.to_string().into() })
                            }
                        }
                    });
                    assert_eq!(request.wanted, Wanted::Events, "nobody reads what is said in a stream");
                    let events = Some(BotEvents::new(events));
                    Ok(BotAnswer { events, ..BotAnswer::new(200, Bytes::new()) })
                }
                Behaviour::Slow(time, status) => {
                    sleep(time).await;
                    Ok(BotAnswer::new(status, Bytes::new()))
                }
                Behaviour::Away => Err(BotFailure::NotReached("nobody listens".into())),
                Behaviour::Hang => {
                    sleep_until(request.deadline).await;
                    Err(BotFailure::TimedOut)
                }
                Behaviour::Break => Err(BotFailure::Broken("reset".into())),
            }
        })
    }
}
