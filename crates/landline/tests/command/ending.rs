//! Signals.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;

use rustix::process::Signal;

use crate::process::{PATIENCE, Running, SECRET, answer, ask, get, json, landline, pause, send};

/// A server whose bot takes activities and answers when the test says so.
struct Held {
    running: Running,
    _folder: tempfile::TempDir,
    token: String,
    conversation: String,
    /// Dropped: every activity that is with the bot is answered.
    release: Option<std::sync::mpsc::Sender<()>>,
    taken: std::sync::mpsc::Receiver<String>,
}

impl Held {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bot = TcpListener::bind("127.0.0.1:0").unwrap();
        let (release, held) = channel::<()>();
        let (take, taken) = channel();
        let mut command = landline(&["serve", "--bot", &format!("http://{}/", bot.local_addr().unwrap())]);
        command.arg("--data").arg(folder.path()).env("LANDLINE_SECRET", SECRET);
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        std::thread::spawn(move || be_a_bot(&bot, &take, &held));
        let mut running = Running::start(command);
        running.wait_for("-H \"authorization");
        let body = r#"{"user":{"id":"dl_1"}}"#;
        let (status, started) = ask(running.public(), "POST", "/v3/directline/conversations", SECRET, body);
        assert_eq!(status, 201, "{started}");
        let started = json(&started);
        let text = |name: &str| started[name].as_str().unwrap().to_owned();
        let (token, conversation) = (text("token"), text("conversationId"));
        assert!(taken.recv_timeout(PATIENCE).unwrap().contains("conversationUpdate"));
        Self { running, _folder: folder, token, conversation, release: Some(release), taken }
    }

    /// Sends a message that is with the bot when this returns.
    fn send(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.running.public()).unwrap();
        let path = format!("/v3/directline/conversations/{}/activities", self.conversation);
        let message = r#"{"type":"message","text":"held","from":{"id":"dl_1"}}"#;
        send(&mut stream, "POST", &path, &self.token, message);
        assert!(self.taken.recv_timeout(PATIENCE).unwrap().contains("held"));
        stream
    }
}

/// Answers a conversation update at once, and everything else when released.
fn be_a_bot(bot: &TcpListener, take: &std::sync::mpsc::Sender<String>, held: &std::sync::mpsc::Receiver<()>) {
    for stream in bot.incoming() {
        let mut stream = stream.unwrap();
        let text = read_request(&mut stream);
        let is_message = text.contains("\"held\"");
        if take.send(text).is_err() {
            return;
        }
        if is_message {
            let _ = held.recv();
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    use std::io::Read;
    let mut text = String::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).unwrap();
        text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) || count == 0 {
            return text;
        }
    }
}

#[test]
fn sigterm_finishes_what_is_under_way() {
    let mut held = Held::start();
    let mut sending = held.send();

    held.running.signal(Signal::TERM);

    let admin = held.running.admin();
    wait_until(|| get(admin, "/readyz").0 == 503);
    assert!(get(admin, "/readyz").1.contains("draining"));
    assert_eq!(get(admin, "/healthz").0, 200, "alive while it drains");
    held.release = None;
    let (status, sent) = answer(&mut sending);
    assert_eq!(status, 200, "{sent}");
    let ended = held.running.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let held = Held::start();
    let _sending = held.send();
    held.running.signal(Signal::INT);
    let admin = held.running.admin();
    wait_until(|| get(admin, "/readyz").0 == 503);

    held.running.signal(Signal::TERM);

    let ended = held.running.ended();
    assert_eq!(ended.code, Some(128 + 15), "{}", ended.stderr);
    drop(held.release);
}

#[test]
fn ctrl_c_with_nothing_to_do_ends_it_soon_and_the_log_is_json() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::serve(&folder.path().display().to_string(), &[]);
    running.signal(Signal::INT);
    let ended = running.ended();
    assert_eq!(ended.code, Some(0));
    let lines: Vec<_> = ended.stderr.lines().map(json).collect();
    assert!(
        lines.iter().any(|line| line["message"].as_str().unwrap().contains("Stopping")),
        "{}",
        ended.stderr
    );
}

#[track_caller]
fn wait_until(mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < end, "it does not come about");
        pause();
    }
}
