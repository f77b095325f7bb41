//! What is connected to, and what is not, whatever names mean.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::net::TcpListener;

use super::*;
use crate::lookup::LookupFuture;
use crate::policy::tests::hosts;
use crate::problem::address_problem;

const PATIENCE: Duration = Duration::from_secs(5);

/// Says the next of these each time it is asked, and counts.
#[derive(Debug, Default)]
struct Flipping {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Flipping {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self { answers: Mutex::new(answers.iter().map(parse).collect()), asked: Mutex::default() })
    }
}

impl Lookup for Flipping {
    fn lookup(&self, name: &str) -> LookupFuture {
        self.asked.lock().unwrap().push(name.to_owned());
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(std::future::ready(answer.ok_or_else(|| io::Error::other("asked once too often"))))
    }
}

fn connector(lookup: &Arc<Flipping>) -> TcpConnector {
    TcpConnector::with_lookup(Arc::default(), Arc::<Flipping>::clone(lookup), PATIENCE)
}

/// Where it came out, or why not.
async fn connect(connector: &TcpConnector, uri: &str) -> Result<SocketAddr, String> {
    let stream = connector.clone().call(uri.parse().unwrap()).await;
    stream.map(|stream| stream.inner().peer_addr().unwrap()).map_err(|error| {
        let refused = address_problem(&*error).unwrap_or_else(|| panic!("{uri}: {error:?}"));
        refused.to_string()
    })
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn no_spelling_of_a_forbidden_address_is_connected_to() {
    let nobody = Flipping::new(&[]);
    let mut refused = 0;
    for (kind, host) in hosts().filter(|(kind, _)| *kind == "never") {
        let Ok(url) = format!("http://{host}/").parse::<url::Url>() else { continue };
        let error = connect(&connector(&nobody), url.as_str()).await.unwrap_err();
        assert!(error.contains("never") || error.contains("no machine") || error.contains("many"), "{error}");
        refused += usize::from(kind == "never");
    }
    assert!(refused >= 100, "{refused}");
    assert!(nobody.asked.lock().unwrap().is_empty(), "no address is looked up as a name");
}

/// Whoever does not speak the language of URLs hands on what was written; the resolver of the machine reads numbers in
/// its own ways.
#[tokio::test]
async fn numbers_that_only_the_resolver_understands_are_refused() {
    let system = TcpConnector::new(Arc::default(), PATIENCE);
    for host in [
        "2852039166",
        "0xa9fea9fe",
        "025177524776",
        "169.254.43518",
        "169.16689662",
        "0251.0376.0251.0376",
        "0xA9.0xFE.0xA9.0xFE",
        "0",
        "0x0",
        "0.0",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "169.254.169.254",
    ] {
        connect(&system, &format!("http://{host}:80/")).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_asked_once_for_each_connection() {
    let (listener, port) = listener().await;
    let uri = format!("http://bot.example:{port}/");
    let flipping = Flipping::new(&[&["127.0.0.1"], &["169.254.169.254"], &["127.0.0.1"]]);
    let connector = connector(&flipping);

    let first = connect(&connector, &uri).await.unwrap();
    assert_eq!((first.port(), flipping.asked.lock().unwrap().len()), (port, 1));
    listener.accept().await.unwrap();
    let second = connect(&connector, &uri).await.unwrap_err();
    assert!(second.contains("bot.example leads to 169.254.169.254"), "{second}");
    connect(&connector, &uri).await.unwrap();
    assert_eq!(*flipping.asked.lock().unwrap(), ["bot.example"; 3]);
}

#[tokio::test]
async fn of_several_addresses_only_those_are_tried_that_may_be() {
    let (_listener, port) = listener().await;
    let uri = format!("http://bot.example:{port}/");
    let flipping = Flipping::new(&[
        &["169.254.169.254", "::ffff:a9fe:a9fe", "127.0.0.1", "fe80::1", "0.0.0.0"],
        &["::ffff:a9fe:a9fe", "0.0.0.0", "64:ff9b::a9fe:a9fe"],
    ]);
    let reached = connect(&connector(&flipping), &uri).await.unwrap();
    assert_eq!(reached, SocketAddr::from(([127, 0, 0, 1], port)));
    connect(&connector(&flipping), &uri).await.unwrap_err();
}

#[tokio::test]
async fn what_the_operator_does_not_allow_is_not_connected_to_by_name_either() {
    let (_listener, port) = listener().await;
    let policy = |allow: &str| Arc::new(AddressPolicy::new(Some(vec![allow.parse().unwrap()]), vec![]));
    for (allow, reached) in [("loopback", true), ("public", false), ("127.0.0.2", false)] {
        let names = Flipping::new(&[&["127.0.0.1"]]);
        let connector = TcpConnector::with_lookup(policy(allow), Arc::<Flipping>::clone(&names), PATIENCE);
        for host in ["bot.example", "127.0.0.1", "[::ffff:127.0.0.1]"] {
            let connected = connect(&connector, &format!("http://{host}:{port}/")).await;
            assert_eq!(connected.is_ok(), reached, "{host} with {allow}: {connected:?}");
        }
    }
}
