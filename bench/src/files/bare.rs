//! The bare server: hyper, and nothing that is not needed to move a file. In a process of its own, as Landline is.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Args;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use super::load::Door;

const READY_WITHIN: Duration = Duration::from_secs(20);
/// What it reads from a file, and sends from memory, at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces between the line and the disk.
const PIECES: usize = 4;

/// How to run the bare server; the bench does that itself.
#[derive(Debug, Clone, Args)]
pub(crate) struct BareOptions {
    /// Where its files go.
    folder: PathBuf,
}

/// Where the bytes go, and come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Memory,
    File,
}

/// A running bare server. Ends with the value.
#[derive(Debug)]
pub(crate) struct BareServer {
    address: SocketAddr,
    _child: Child,
}

impl BareServer {
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let folder = folder.join("bare");
        std::fs::create_dir_all(&folder)?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("bare")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the bare server")?;
        let printed = child.stdout.take().context("it prints nothing")?;
        let mut lines = BufReader::new(printed).lines();
        let line =
            timeout(READY_WITHIN, lines.next_line()).await.context("the bare server does not start")??;
        let address = line.context("the bare server ended")?.parse()?;
        Ok(Self { address, _child: child })
    }

    /// For each client a file of its own.
    pub(crate) fn doors(&self, clients: usize, kind: Kind) -> Vec<Door> {
        let server = self.address;
        let door = |number| match kind {
            Kind::Memory => Door::Bare { server, up: "/memory".into(), down: "/memory".into() },
            Kind::File => {
                let path = format!("/file/{number}");
                Door::Bare { server, up: path.clone(), down: path }
            }
        };
        (0..clients).map(door).collect()
    }
}

type Answer = Response<BoxBody<Bytes, std::io::Error>>;

/// Serves until it is killed. Prints its address first.
pub(crate) async fn serve(options: &BareOptions) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;
    let folder: Arc<Path> = options.folder.as_path().into();
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let folder = folder.clone();
        let service = service_fn(move |request| {
            let folder = folder.clone();
            async move {
                Ok::<_, Infallible>(answer(request, &folder).await.unwrap_or_else(|error| failed(&error)))
            }
        });
        connections.spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>, folder: &Path) -> Result<Answer> {
    let path = request.uri().path().to_owned();
    let file = path.strip_prefix("/file/").map(|name| folder.join(name));
    match (request.method(), file) {
        (&Method::POST, Some(file)) => keep(request.into_body(), file).await?,
        (&Method::POST, None) => throw_away(request.into_body()).await?,
        (_, Some(file)) => return from_file(file).await,
        (_, None) => {
            let bytes = request.uri().query().unwrap_or_default().parse()?;
            return from_memory(bytes);
        }
    }
    Ok(Response::new(Full::default().map_err(|never| match never {}).boxed()))
}

async fn throw_away(mut body: Incoming) -> Result<()> {
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

/// To a new file, which is synced and moved to its place.
async fn keep(mut body: Incoming, path: PathBuf) -> Result<()> {
    static UNFINISHED: AtomicU64 = AtomicU64::new(0);
    let number = UNFINISHED.fetch_add(1, Ordering::Relaxed);
    let (pieces, mut arrived) = mpsc::channel::<Bytes>(PIECES);
    let writer = spawn_blocking(move || -> Result<()> {
        let unfinished = path.with_extension(number.to_string());
        let mut file = std::fs::File::create(&unfinished)?;
        while let Some(piece) = arrived.blocking_recv() {
            file.write_all(&piece)?;
        }
        file.sync_data()?;
        Ok(std::fs::rename(unfinished, path)?)
    });
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame?.into_data()
            && pieces.send(piece).await.is_err()
        {
            break;
        }
    }
    drop(pieces);
    writer.await?
}

fn from_memory(bytes: u64) -> Result<Answer> {
    let piece = Bytes::from(vec![b'x'; PIECE_BYTES]);
    let pieces = stream::unfold(bytes, move |left| {
        let now = PIECE_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX));
        let piece = (now > 0).then(|| (Ok(Frame::data(piece.slice(..now))), left - now as u64));
        async move { piece }
    });
    streamed(bytes, BodyExt::boxed(StreamBody::new(pieces)))
}

async fn from_file(path: PathBuf) -> Result<Answer> {
    let (pieces, arrived) = mpsc::channel(PIECES);
    let (mut file, bytes) = spawn_blocking(move || -> Result<_> {
        let file = std::fs::File::open(&path)?;
        let bytes = file.metadata()?.len();
        Ok((file, bytes))
    })
    .await??;
    spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let read = match file.read(&mut piece) {
                Ok(0) => return,
                Ok(count) => {
                    piece.truncate(count);
                    Ok(Frame::data(Bytes::from(piece)))
                }
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if pieces.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    let pieces = stream::unfold(arrived, |mut arrived| async move { Some((arrived.recv().await?, arrived)) });
    streamed(bytes, BodyExt::boxed(StreamBody::new(pieces)))
}

fn streamed(bytes: u64, body: BoxBody<Bytes, std::io::Error>) -> Result<Answer> {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    Ok(answer)
}

fn failed(error: &anyhow::Error) -> Answer {
    let text = Full::new(Bytes::from(format!("{error:#}"))).map_err(|never| match never {});
    let mut answer = Response::new(text.boxed());
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    answer
}
