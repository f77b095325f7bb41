//! What `landline serve` prints, and how it refuses to start.

use std::net::TcpListener;

use tempfile::TempDir;

use crate::process::{Running, SECRET, ask, get, json, run};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn the_secret_is_made_once_shown_once_and_works_for_ever() {
    let folder = folder();
    let data = folder.path().join("data").display().to_string();
    let first = Running::serve(&data, &[]);
    assert!(first.stdout.contains("is not shown again"), "{}", first.stdout);
    let secret =
        first.stdout.lines().map(str::trim).find(|line| line.starts_with("lls_")).unwrap().to_owned();
    let generate = "/v3/directline/tokens/generate";
    assert_eq!(ask(first.public(), "POST", generate, &secret, "{}").0, 200);
    drop(first);

    let again = Running::serve(&data, &[]);

    assert_eq!(ask(again.public(), "POST", generate, &secret, "{}").0, 200);
    again.signal(rustix::process::Signal::TERM);
    let ended = again.ended();
    assert!(!ended.stdout.contains("lls_"), "it is shown again: {}", ended.stdout);
    assert!(!ended.stderr.contains(&secret), "it is in the log");
}

#[test]
fn a_configured_secret_is_not_shown_and_what_is_printed_can_be_pasted() {
    let folder = folder();
    let running = Running::serve(&folder.path().display().to_string(), &[("LANDLINE_SECRET", SECRET)]);
    assert!(!running.stdout.contains(SECRET), "{}", running.stdout);

    // The curl command, run by a shell as printed, with the variable that it names.
    let curl: Vec<_> = running.stdout.lines().skip_while(|line| !line.contains("curl ")).take(2).collect();
    let output = std::process::Command::new("sh")
        .args(["-c", &curl.join("\n").replace("curl ", "curl -s ")])
        .env("LANDLINE_SECRET", SECRET)
        .output()
        .unwrap();
    let answer = json(std::str::from_utf8(&output.stdout).unwrap());
    assert!(answer["token"].is_string() && answer["conversationId"].is_string(), "{answer}");
}

#[test]
fn probes_are_answered() {
    let folder = folder();
    let running = Running::serve(&folder.path().display().to_string(), &[]);
    assert_eq!(get(running.admin(), "/healthz").0, 200);
    assert_eq!(get(running.admin(), "/readyz").0, 200);
    let (status, page) = get(running.admin(), "/metrics");
    assert_eq!(status, 200);
    assert!(page.contains("process_resident_memory_bytes") && page.ends_with("# EOF\n"), "{page}");
    assert_eq!(get(running.public(), "/metrics").0, 404, "not for the public");
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = folder();
    let data = folder.path().display().to_string();
    let bot = ["serve", "--bot", "http://127.0.0.1:9/", "--data", &data, "--listen", &address.to_string()]
        .map(String::from);
    let ended = run(&bot.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&format!("port {} is taken", address.port())), "{}", ended.stderr);
    assert!(ended.stderr.contains("--listen"), "{}", ended.stderr);
}

#[test]
fn a_data_folder_that_is_in_use_or_cannot_be() {
    let folder = folder();
    let data = folder.path().join("data").display().to_string();
    let _first = Running::serve(&data, &[]);
    let second = [
        "serve",
        "--bot",
        "http://127.0.0.1:9/",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--data",
    ];
    let ended = run(&[&second[..], &[&data]].concat());
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("in use by another process"), "{}", ended.stderr);

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below_a_file = file.join("data").display().to_string();
    let ended = run(&[&second[..], &[&below_a_file]].concat());
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&below_a_file), "{}", ended.stderr);
}

#[test]
fn a_configuration_that_is_wrong() {
    let folder = folder();
    let file = folder.path().join("landline.toml");
    std::fs::write(&file, "listne = 1\n").unwrap();
    let path = file.display().to_string();
    for arguments in [vec!["serve", "--config", &path], vec!["config", "check", &path]] {
        let ended = run(&arguments);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("listne") && ended.stderr.contains(&path), "{}", ended.stderr);
    }
    assert_eq!(run(&["serve", "--bot", "http://169.254.169.254/"]).code, Some(2));
    assert_eq!(run(&["--log-level", "a=b=c", "version"]).code, Some(2));
    assert_eq!(run(&["config", "check", "/does/not/exist"]).code, Some(2));
}

#[test]
fn the_example_is_a_configuration() {
    let folder = folder();
    let example = run(&["config", "example"]);
    assert_eq!(example.code, Some(0));
    let file = folder.path().join("landline.toml");
    std::fs::write(&file, example.stdout).unwrap();
    let checked = run(&["config", "check", &file.display().to_string()]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(checked.stdout.contains("1 bot(s), 1 site(s)"), "{}", checked.stdout);
}

#[test]
fn help_and_version() {
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for words in ["Exit codes", "serve", "demo", "config", "check", "SIGTERM"] {
        assert!(help.stdout.contains(words), "{words} is missing from:\n{}", help.stdout);
    }
    assert_eq!(run(&["version"]).stdout, concat!("landline ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(run(&[]).code, Some(2));
}
