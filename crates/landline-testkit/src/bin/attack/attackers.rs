//! Slow attackers, many in one process: each holds a line as long as the server bears it, and comes back when it is cut.
//!
//! They run in a process of their own, so that their descriptors and their work are not those of the honest clients.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

/// How often an attacker does a little, so that it is not silent.
const DRIP: Duration = Duration::from_secs(3);

/// How many new lines are opened each second, all attackers together: they are many and slow, and no flood of requests.
const LINES_PER_SECOND: u32 = 500;

/// How long an attacker that was cut or not let in is away.
const AWAY: Duration = Duration::from_secs(1);

/// Where an attacker from one address comes from. Not 127.0.0.1, which is not counted.
const ONE_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// How a line is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A head that never ends.
    Headers,
    /// A body that comes a byte at a time.
    Body,
    /// A large answer that is taken a few bytes at a time, through a small window.
    Read,
    /// Nothing at all.
    Idle,
    /// The handshake of a WebSocket that never ends.
    Handshake,
}

/// What the process of the attackers is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct Orders {
    #[arg(long)]
    pub(crate) kind: Kind,
    /// How many.
    #[arg(long)]
    pub(crate) count: u32,
    /// The server.
    #[arg(long)]
    pub(crate) target: SocketAddr,
    /// A conversation with a long history, for those that have a token.
    #[arg(long)]
    pub(crate) conversation: String,
    /// Its token.
    #[arg(long)]
    pub(crate) token: String,
    /// All from one address, instead of one address each.
    #[arg(long)]
    pub(crate) one_address: bool,
}

#[derive(Default)]
struct Counts {
    open: AtomicU64,
    cut: AtomicU64,
}

/// Attacks until the process is ended; says each second how it goes.
pub(crate) async fn run(orders: Orders) -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")?;
    let orders = Rc::new(orders);
    let counts = Rc::new(Counts::default());
    let local = LocalSet::new();
    for number in 0..orders.count {
        let (orders, counts) = (Rc::clone(&orders), Rc::clone(&counts));
        local.spawn_local(async move {
            sleep(Duration::from_secs(1) * number / LINES_PER_SECOND).await;
            loop {
                let _ = hold(number, &orders, &counts).await;
                sleep(AWAY).await;
            }
        });
    }
    let saying = async {
        loop {
            sleep(Duration::from_millis(500)).await;
            println!("{} {}", counts.open.load(Ordering::Relaxed), counts.cut.load(Ordering::Relaxed));
        }
    };
    local.run_until(saying).await
}

/// One line, until it is cut.
async fn hold(number: u32, orders: &Orders, counts: &Counts) -> std::io::Result<()> {
    let from = if orders.one_address { ONE_ADDRESS } else { address_of(number) };
    let socket = TcpSocket::new_v4()?;
    if orders.kind == Kind::Read {
        socket.set_recv_buffer_size(2048)?;
    }
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    let mut line = timeout(Duration::from_secs(20), socket.connect(orders.target)).await??;
    line.write_all(beginning(orders).as_bytes()).await?;
    counts.open.fetch_add(1, Ordering::Relaxed);
    let held = go_on(&mut line, orders.kind).await;
    counts.open.fetch_sub(1, Ordering::Relaxed);
    counts.cut.fetch_add(1, Ordering::Relaxed);
    held
}

/// An address of its own for each: 127.1.0.1 and on.
fn address_of(number: u32) -> Ipv4Addr {
    let number = number + 1;
    let byte = |shift: u32| u8::try_from(number >> shift & 0xff).unwrap_or(0);
    Ipv4Addr::new(127, byte(16) + 1, byte(8), byte(0))
}

fn beginning(orders: &Orders) -> String {
    let path = format!("/v3/directline/conversations/{}", orders.conversation);
    let token = format!("host: x\r\nauthorization: Bearer {}\r\n", orders.token);
    match orders.kind {
        Kind::Headers => format!("GET {path}/activities HTTP/1.1\r\n{token}"),
        Kind::Body => format!("POST {path}/activities HTTP/1.1\r\n{token}content-length: 200000\r\n\r\n{{"),
        Kind::Read => format!("GET {path}/activities HTTP/1.1\r\n{token}\r\n").repeat(2),
        Kind::Idle => String::new(),
        Kind::Handshake => {
            format!(
                "GET {path}/stream?t=x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            )
        }
    }
}

/// A little now and then, until the line ends.
async fn go_on(line: &mut TcpStream, kind: Kind) -> std::io::Result<()> {
    let mut taken = [0; 64];
    loop {
        if kind == Kind::Read {
            if line.read(&mut taken).await? == 0 {
                return Ok(());
            }
            sleep(DRIP).await;
            continue;
        }
        // An answer is read in the hope of the end; whatever comes, it goes on.
        match timeout(DRIP, line.read(&mut taken)).await {
            Ok(Ok(0)) => return Ok(()),
            Ok(read) => {
                read?;
            }
            Err(_) => match kind {
                Kind::Headers | Kind::Handshake => line.write_all(b"x-a: b\r\n").await?,
                Kind::Body => line.write_all(b" ").await?,
                Kind::Idle | Kind::Read => {}
            },
        }
    }
}
