//! Sockets that are handed over, and descriptors that run out.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::process::{Running, SECRET, answer, get, send};

/// `landline serve` as systemd starts it, with a listening socket as descriptor 3.
fn handed(listener: &TcpListener, data: &str) -> Running {
    let start = format!(
        "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec {} serve --bot http://127.0.0.1:9/ --data {data} \
         --listen 127.0.0.1:1 --admin 127.0.0.1:0",
        env!("CARGO_BIN_EXE_landline")
    );
    let mut command = Command::new("sh");
    // Descriptors below 3 are what a child can be given without unsafe code.
    let socket = OwnedFd::from(listener.try_clone().unwrap());
    command.args(["-c", &start]).stdin(Stdio::from(socket)).env("LANDLINE_SECRET", SECRET);
    let mut running = Running::start(command);
    running.wait_for("-H \"authorization");
    running
}

#[test]
fn a_restart_refuses_nobody_when_systemd_keeps_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let first = handed(&listener, &data);
    assert_eq!(first.public(), address, "not the one of --listen");
    assert_eq!(get(address, "/").0, 404);
    first.signal(Signal::TERM);
    assert_eq!(first.ended().code, Some(0));

    // Nobody serves now; the kernel takes connections and requests all the same.
    let mut early: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    for stream in &mut early {
        send(stream, "POST", "/v3/directline/tokens/generate", SECRET, "{}");
    }
    let _second = handed(&listener, &data);

    for stream in &mut early {
        assert_eq!(answer(stream).0, 200);
    }
}

#[test]
fn out_of_descriptors_whoever_says_nothing_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let start = format!(
        "ulimit -n 128; exec {} serve --bot http://127.0.0.1:9/ --data {} --listen 127.0.0.1:0 --admin 127.0.0.1:0",
        env!("CARGO_BIN_EXE_landline"),
        folder.path().display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &start]).env("LANDLINE_SECRET", SECRET).stdin(Stdio::null());
    let mut running = Running::start(command);
    running.wait_for("-H \"authorization");
    let address = running.public();

    let flood: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    for _ in 0..3 {
        assert_eq!(get(address, "/").0, 404, "who comes with a request is served meanwhile");
    }
    drop(flood);

    assert_eq!(get(address, "/").0, 404, "and afterwards");
    running.signal(Signal::TERM);
    let ended = running.ended();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("Cannot accept connections"), "it never ran out: {}", ended.stderr);
    assert!(ended.stderr.contains("raise LimitNOFILE"), "{}", ended.stderr);
}
