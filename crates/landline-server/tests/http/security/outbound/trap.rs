//! A network in which whatever is connected to comes out here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// What a name server says the next time it is asked for an address of a name.
type Answers = Box<dyn Fn(&str, usize) -> Vec<Ipv4Addr> + Send + Sync>;

/// Listens on every address, and answers for every name.
pub(super) struct Trap {
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

/// What came.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Where somebody came out.
    pub(super) connected: Vec<SocketAddr>,
    /// Which names were asked for.
    pub(super) asked: Vec<String>,
}

impl Trap {
    /// Every connection is answered like by a bot that takes what it gets.
    pub(super) async fn set(answers: Answers) -> Self {
        let (seen, mut tasks) = (Arc::new(Mutex::new(Seen::default())), JoinSet::new());
        for port in [80, 443, 8080] {
            let listener = match TcpListener::bind(("::", port)).await {
                Ok(listener) => listener,
                Err(_) => TcpListener::bind(("0.0.0.0", port)).await.expect("a port of our own network"),
            };
            let seen = Arc::clone(&seen);
            tasks.spawn(async move {
                let mut talking = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let at = stream.local_addr().expect("an address");
                    let at = SocketAddr::new(at.ip().to_canonical(), at.port());
                    lock(&seen).connected.push(at);
                    talking.spawn(take(stream));
                }
            });
        }
        let names = UdpSocket::bind("127.0.0.53:53").await.expect("the port of a name server");
        let asked = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut query = [0; 1500];
            while let Ok((length, from)) = names.recv_from(&mut query).await {
                let Some(answer) = answer(&query[..length], &answers, &asked) else { continue };
                let _ = names.send_to(&answer, from).await;
            }
        });
        Self { seen, _tasks: tasks }
    }

    pub(super) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request, or what of it is there at once; then the end of the line.
async fn take(mut stream: TcpStream) {
    let mut request = [0; 16 * 1024];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await;
    let _ = stream.shutdown().await;
}

/// Source: RFC 1035, 4.
fn answer(query: &[u8], answers: &Answers, seen: &Mutex<Seen>) -> Option<Vec<u8>> {
    let (mut name, mut at) = (String::new(), 12);
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        name.push_str(&String::from_utf8_lossy(query.get(at..at + length)?));
        name.push('.');
        at += length;
    }
    let (name, kind) = (name.trim_end_matches('.').to_owned(), *query.get(at + 1)?);
    let question = query.get(12..at + 4)?;
    let wants_v4 = kind == 1;
    let addresses = if wants_v4 {
        let times = {
            let mut seen = lock(seen);
            seen.asked.push(name.clone());
            seen.asked.iter().filter(|asked| **asked == name).count()
        };
        answers(&name, times)
    } else {
        Vec::new()
    };
    let mut said = query.get(..2)?.to_vec();
    let count = u8::try_from(addresses.len()).ok()?;
    said.extend([0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
    said.extend(question);
    for address in addresses {
        said.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        said.extend(address.octets());
    }
    Some(said)
}

/// An address of the trap that is nobody's otherwise.
pub(super) const HERE: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);

/// The one that must not be reached.
pub(super) const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
