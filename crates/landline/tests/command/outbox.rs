//! `landline outbox` against a running server and a bot that says that it is gone.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use crate::manage::Server;
use crate::process::{PATIENCE, ask, json, pause};

/// A bot that answers with the status that the test sets.
struct Bot {
    endpoint: String,
    status: Arc<AtomicU16>,
    /// The bodies of what it took with 200.
    taken: Receiver<String>,
}

impl Bot {
    fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/api/messages", listener.local_addr().unwrap());
        let status = Arc::new(AtomicU16::new(status));
        let (take, taken) = channel();
        let says = Arc::clone(&status);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(body) = read_body(&mut BufReader::new(&stream)) else { continue };
                let status = says.load(Ordering::SeqCst);
                if status == 200 && take.send(body).is_err() {
                    return;
                }
                let answer =
                    format!("HTTP/1.1 {status} Whatever\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { endpoint, status, taken }
    }
}

fn read_body(reader: &mut impl BufRead) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

/// The parked activities of a bot, once there are so many.
fn parked(server: &Server, count: usize) -> Vec<String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let listed = json(&server.works("outbox list --bot echo --parked --json"));
        let ids: Vec<_> = listed["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["activityId"].as_str().unwrap().to_owned())
            .collect();
        if ids.len() == count {
            return ids;
        }
        assert!(Instant::now() < end, "not {count}: {listed}");
        pause();
    }
}

#[test]
fn what_a_bot_that_is_gone_left_is_listed_dropped_and_retried() {
    let server = Server::start();
    let bot = Bot::start(410);
    server.works(&format!("bot add echo --endpoint {} --anonymous --delivery queued", bot.endpoint));
    let secret =
        json(&server.works("site add shop --bot echo --json"))["secret"].as_str().unwrap().to_owned();
    let public = server.public();
    let (_, started) = ask(public, "POST", "/v3/directline/conversations", &secret, "{}");
    let conversation = json(&started)["conversationId"].as_str().unwrap().to_owned();
    let path = format!("/v3/directline/conversations/{conversation}/activities");
    for text in ["one", "two"] {
        let message = format!(r#"{{"type":"message","text":"{text}","from":{{"id":"anna"}}}}"#);
        let (status, said) = ask(public, "POST", &path, &secret, &message);
        assert_eq!(status, 200, "{said}");
    }

    // What says that the conversation began and that the user came, then the two messages.
    let ids = parked(&server, 4);
    let listed = server.works("outbox list");
    assert!(listed.contains(&ids[2]) && listed.contains("410"), "{listed}");
    let advice = format!("landline outbox retry --bot echo --data {}", server.data);
    assert!(listed.contains(&advice), "{listed}");

    let dropped = server.works(&format!("outbox drop {}", ids[2]));
    assert!(dropped.starts_with("1 activity is not given to its bot any more"), "{dropped}");
    assert_eq!(parked(&server, 3), [&ids[0], &ids[1], &ids[3]].map(String::clone));
    let again = server.works(&format!("outbox drop {}", ids[2]));
    assert!(again.starts_with("It does not wait any more"), "{again}");

    bot.status.store(200, Ordering::SeqCst);
    let retried = server.works("outbox retry --bot echo");
    assert!(retried.starts_with("3 activities go to their bot now"), "{retried}");
    let taken = [(); 3].map(|()| bot.taken.recv_timeout(PATIENCE).unwrap());
    assert!(taken[2].contains(r#""text":"two""#), "{taken:?}");
    assert!(!taken.concat().contains(r#""text":"one""#), "it was dropped: {taken:?}");
    assert!(parked(&server, 0).is_empty());
    let nothing = server.works("outbox drop --bot echo");
    assert!(nothing.starts_with("Nothing is parked for bot echo, so nothing was done"), "{nothing}");
}
