//! A running `landline`, and one that has ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything takes on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn landline(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landline"));
    command
        .args(arguments)
        .env_remove("LANDLINE_SECRET")
        .env_remove("LANDLINE_LOG")
        .env_remove("LANDLINE_ADMIN_TOKEN")
        .env_remove("LANDLINE_BOT_CREDENTIAL")
        .stdin(Stdio::null());
    command
}

/// Runs a command that ends by itself.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    Ended::of(landline(arguments).output().unwrap())
}

#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// A server that prints where it is. It is killed when the test ends.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    /// What it printed so far.
    pub(crate) stdout: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, stdout: String::new() }
    }

    /// `landline serve` for a bot that is not there, on free ports.
    pub(crate) fn serve(data: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = landline(&["serve", "--bot", "http://127.0.0.1:9/api/messages", "--data", data]);
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).envs(environment.iter().copied());
        let mut running = Self::start(command);
        running.wait_for("-H \"authorization");
        running
    }

    /// Reads what it prints until a line holds these words; gives the line.
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) else {
                let _ = self.child.kill();
                let mut log = String::new();
                let _ = self.child.stderr.take().unwrap().read_to_string(&mut log);
                panic!("{words:?} was not printed; stdout:\n{}\nstderr:\n{log}", self.stdout);
            };
            self.stdout.push_str(&line);
            self.stdout.push('\n');
            if line.contains(words) {
                return line;
            }
        }
    }

    /// The address in a line that was printed, behind these words.
    pub(crate) fn address_behind(&self, words: &str) -> SocketAddr {
        let line = self.stdout.lines().find(|line| line.contains(words)).unwrap();
        let rest = line.split_once("http://").unwrap().1;
        rest.split('/').next().unwrap().trim().parse().unwrap()
    }

    pub(crate) fn public(&self) -> SocketAddr {
        self.address_behind("direct line")
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.address_behind("admin")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end; everything it printed is in the answer.
    pub(crate) fn ended(mut self) -> Ended {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it does not end");
            pause();
        };
        while let Ok(line) = self.lines.recv() {
            self.stdout.push_str(&line);
            self.stdout.push('\n');
        }
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Ended { code: status.code(), stdout: std::mem::take(&mut self.stdout), stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// One request on a connection of its own: status and body.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, bearer: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    send(&mut stream, method, path, bearer, body);
    answer(&mut stream)
}

pub(crate) fn send(stream: &mut TcpStream, method: &str, path: &str, bearer: &str, body: &str) {
    let authorization =
        if bearer.is_empty() { String::new() } else { format!("authorization: Bearer {bearer}\r\n") };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         {authorization}content-length: {}\r\n\r\n{body}",
        stream.peer_addr().unwrap(),
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
}

pub(crate) fn answer(stream: &mut TcpStream) -> (u16, String) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// Posts a form; gives the status.
pub(crate) fn post_form(address: SocketAddr, path: &str, form: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: \
         application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    answer(&mut stream).0
}

pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, "GET", path, "", "")
}

pub(crate) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
