//! The flood: a process of its own, so that what it costs can be told apart, and which everybody else goes before.
//!
//! It asks for so much a second, whatever is answered: as many connections as the server lets wait are blocked, and the
//! rest go on. For comparison it floods a server of its own that answers everything at once and does nothing.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use landline_testkit::client::{CallError, Client};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};

use super::Target;
use crate::crowd::{self, Seat};

/// An answer of the flooder that does not come within this time has failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// A flood that is later than this leaves out what it could not ask for, and does not catch up all at once.
const LATE: Duration = Duration::from_millis(100);
/// What the server that does nothing answers: enough for whatever was asked.
const NOTHING: &str =
    r#"{"conversationId":"c","token":"t","expires_in":1,"streamUrl":"ws://c","id":"c","activities":[]}"#;

/// What the flood is to do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) server: SocketAddr,
    pub(super) secret: String,
    pub(super) seats: Vec<Seat>,
    pub(super) connections: usize,
    pub(super) per_second: u64,
}

/// How it was answered.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Answers {
    /// With what was asked for.
    pub(super) good: u64,
    /// 429.
    pub(super) throttled: u64,
    /// With something else, or not at all.
    pub(super) other: u64,
}

/// A handle to the process. Ends with the value.
#[derive(Debug)]
pub(super) struct Flooder {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Flooder {
    pub(super) async fn start(plan: &Plan) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("flooder")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the flooder")?;
        let orders = child.stdin.take().context("the flooder takes no orders")?;
        let answers = BufReader::new(child.stdout.take().context("the flooder answers nothing")?).lines();
        let mut flooder = Self { child, orders, answers };
        let seats: Vec<_> =
            plan.seats.iter().map(|seat| json!([seat.conversation, seat.token, seat.user])).collect();
        let plan = json!({
            "server": plan.server, "secret": plan.secret, "seats": seats,
            "connections": plan.connections, "per_second": plan.per_second,
        });
        flooder.order(&plan.to_string()).await?;
        Ok(flooder)
    }

    pub(super) async fn flood(&mut self, target: Target) -> Result<()> {
        let order = match target {
            Target::Nobody => return Ok(()),
            Target::Nothing => "nothing",
            Target::Landline => "landline",
        };
        self.order(order).await.map(drop)
    }

    pub(super) async fn stop(&mut self) -> Result<Answers> {
        let said: Value = serde_json::from_str(&self.order("stop").await?)?;
        let count = |name: &str| said[name].as_u64().context("the flooder does not count");
        Ok(Answers { good: count("good")?, throttled: count("throttled")?, other: count("other")? })
    }

    pub(super) fn pid(&self) -> Result<u32> {
        self.child.id().context("the flooder has ended")
    }

    async fn order(&mut self, order: &str) -> Result<String> {
        self.orders.write_all(format!("{order}\n").as_bytes()).await?;
        let line = timeout(ANSWER_WITHIN, self.answers.next_line()).await.context("the flooder hangs")??;
        line.context("the flooder has ended")
    }
}

/// The process itself: an order each line, and a line for each.
pub(crate) async fn serve() -> Result<()> {
    stand_back();
    let plan = Arc::new(plan(&next_order().await?.context("no plan")?)?);
    say("ready")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let nothing = listener.local_addr()?;
    let mut server = JoinSet::new();
    server.spawn(do_nothing(listener));

    let (mut flood, mut counts) = (JoinSet::new(), Arc::<Counts>::default());
    while let Some(order) = next_order().await? {
        let target = match order.as_str() {
            "landline" => plan.server,
            "nothing" => nothing,
            "stop" => {
                flood.shutdown().await;
                say(&std::mem::take(&mut counts).to_json().to_string())?;
                continue;
            }
            other => bail!("no order: {other}"),
        };
        let begin = Instant::now();
        for _ in 0..plan.connections {
            flood.spawn(one(Arc::clone(&plan), target, begin, Arc::clone(&counts)));
        }
        say("flooding")?;
    }
    Ok(())
}

/// Behind everybody else, where the system allows that: `nice` counts among those of one session only.
fn stand_back() {
    if rustix::process::setsid().is_ok() {
        // Without it the flood costs more, and the comparison with nothing shows it.
        let _ = std::fs::write("/proc/self/autogroup", "19");
    }
    let _ = rustix::process::nice(19);
}

/// `None` when whoever gives orders is gone.
async fn next_order() -> Result<Option<String>> {
    let read = spawn_blocking(|| {
        let mut line = String::new();
        let bytes = std::io::stdin().read_line(&mut line)?;
        anyhow::Ok((bytes > 0).then(|| line.trim_end().to_owned()))
    });
    read.await?
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn plan(text: &str) -> Result<Plan> {
    let plan: Value = serde_json::from_str(text)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("no text in the plan");
    let count = |name: &str| plan[name].as_u64().context("no count in the plan");
    let mut seats = Vec::new();
    for seat in plan["seats"].as_array().context("no seats in the plan")? {
        let (conversation, token, user) = (text(&seat[0])?, text(&seat[1])?, text(&seat[2])?);
        seats.push(Seat { conversation, token, user });
    }
    Ok(Plan {
        server: text(&plan["server"])?.parse()?,
        secret: text(&plan["secret"])?,
        seats,
        connections: usize::try_from(count("connections")?)?,
        per_second: count("per_second")?.max(1),
    })
}

#[derive(Debug, Default)]
struct Counts {
    asked: AtomicU64,
    good: AtomicU64,
    throttled: AtomicU64,
    other: AtomicU64,
}

impl Counts {
    fn to_json(&self) -> Value {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        json!({"good": read(&self.good), "throttled": read(&self.throttled), "other": read(&self.other)})
    }
}

/// One connection: takes what is to be asked for next, when it is due.
async fn one(plan: Arc<Plan>, target: SocketAddr, begin: Instant, counts: Arc<Counts>) {
    let mut client = Client::new(target);
    loop {
        let number = counts.asked.fetch_add(1, Ordering::Relaxed);
        let due = begin + Duration::from_secs_f64(number as f64 / plan.per_second as f64);
        if due + LATE < Instant::now() {
            continue;
        }
        sleep_until(due).await;
        let count = match ask(&plan, &mut client, number).await {
            Ok(()) => &counts.good,
            Err(CallError::Answered { status: 429, .. }) => &counts.throttled,
            Err(_) => &counts.other,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// A send, a start and a poll in turn.
async fn ask(plan: &Plan, client: &mut Client, number: u64) -> Result<(), CallError> {
    let place = usize::try_from(number / 3).unwrap_or_default() % plan.seats.len().max(1);
    let Some(seat) = plan.seats.get(place) else { return Ok(()) };
    match number % 3 {
        0 => {
            let mut message = crowd::message(&seat.user, 0);
            // Without a name, so that none is a repeat of another.
            message["channelData"] = Value::Null;
            client.send(&seat.token, &seat.conversation, &message).await.map(drop)
        }
        1 => client.start(&plan.secret, Some(&json!({"user": {"id": seat.user}}))).await.map(drop),
        _ => client.poll(&seat.token, &seat.conversation, None, None).await.map(drop),
    }
}

/// The server that reads what comes and answers.
async fn do_nothing(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let service = service_fn(async |request: Request<Incoming>| {
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(NOTHING.as_bytes()))))
        });
        let serve =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connections.spawn(serve);
        while connections.try_join_next().is_some() {}
    }
}
