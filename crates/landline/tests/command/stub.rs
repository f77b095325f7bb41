//! A server that answers as the test says: for what a real one does not do on request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use tempfile::TempDir;

use crate::process::{Ended, PATIENCE, run};

/// Answers to requests in the order in which they come.
pub(crate) struct Stub {
    address: SocketAddr,
    folder: TempDir,
    seen: Receiver<Seen>,
}

/// A request.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Method and path.
    pub(crate) line: String,
    pub(crate) authorization: String,
    pub(crate) body: String,
}

impl Stub {
    /// Each answer is a status and a body; what comes after the last is not answered.
    pub(crate) fn start(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answers: Vec<_> = answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        let (sender, seen) = channel();
        std::thread::spawn(move || answer_all(&listener, answers, &sender));
        let folder = tempfile::tempdir().unwrap();
        let file = format!(r#"{{"url":"http://{address}","token":"adm-t0ken"}}"#);
        std::fs::write(folder.path().join("admin.json"), file).unwrap();
        Self { address, folder, seen }
    }

    /// Runs a command for it.
    pub(crate) fn run(&self, line: &str) -> Ended {
        let data = self.folder.path().display().to_string();
        run(&line.split(' ').chain(["--data", &data]).collect::<Vec<_>>())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn folder(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// The next request that it got.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.recv_timeout(PATIENCE).unwrap()
    }
}

fn answer_all(listener: &TcpListener, answers: Vec<(u16, String)>, sender: &Sender<Seen>) {
    let mut answers = answers.into_iter();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        while let Some(seen) = read_request(&stream) {
            if sender.send(seen).is_err() {
                return;
            }
            let Some((status, body)) = answers.next() else { return };
            let head = format!(
                "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
                break;
            }
        }
    }
}

fn read_request(stream: &TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => value.clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let line = line.trim_end_matches(" HTTP/1.1\r\n").to_owned();
    Some(Seen { line, authorization, body: String::from_utf8(body).unwrap() })
}
