//! What a running server cannot do any more, seen from outside and tried by itself; and that it works all the same.
//!
//! On a kernel without Landlock these tests fail: there, nothing that they say is true.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{PATIENCE, Running, SECRET, ask, get, json, landline, pause, run};

/// A server with further flags, and where its data is.
fn serve(flags: &[&str]) -> (Running, TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = landline(&["serve", "--bot", "http://127.0.0.1:9/api/messages"]);
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(flags);
    command.arg("--data").arg(&data).env("LANDLINE_SECRET", SECRET);
    let mut running = Running::start(command);
    running.wait_for("-H \"authorization");
    (running, folder, data)
}

/// What `/proc` says of each thread, under this name.
fn of_each_thread(running: &Running, name: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap();
    let status = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap());
    let value = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        line.unwrap_or_default().to_owned()
    };
    status.map(value).collect()
}

/// A conversation with one file in it, or the status of the refusal.
fn upload(running: &Running) -> u16 {
    let body = r#"{"user":{"id":"dl_1"}}"#;
    let (_, started) = ask(running.public(), "POST", "/v3/directline/conversations", SECRET, body);
    let started = json(&started);
    let text = |name: &str| started[name].as_str().unwrap().to_owned();
    let path = format!("/v3/directline/conversations/{}/upload?userId=dl_1", text("conversationId"));
    ask(running.public(), "POST", &path, &text("token"), "what a file holds").0
}

/// Every file and folder below.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { [all_below(&path), vec![path]].concat() } else { vec![path] })
        .collect()
}

/// Makes the folder of files lead somewhere else, as somebody might who wants the server to write there.
fn lead_astray(data: &Path, outside: &Path) {
    fs::create_dir_all(outside.join(".unfinished")).unwrap();
    fs::rename(data.join("files"), data.join("files.moved")).unwrap();
    symlink(outside, data.join("files")).unwrap();
}

#[test]
fn s83_what_is_outside_of_its_folders_cannot_be_written() {
    let (running, folder, data) = serve(&["--sandbox", "require"]);
    // The bot is not there: the file is kept, and the send is a 502.
    assert_eq!(upload(&running), 502);
    let outside = folder.path().join("outside");
    lead_astray(&data, &outside);

    assert_eq!(upload(&running), 503, "it was kept, outside");

    assert_eq!(all_below(&outside), [outside.join(".unfinished")]);
    assert_eq!(get(running.admin(), "/readyz").0, 200, "it goes on");
}

#[test]
fn without_the_sandbox_it_could_be_written() {
    let (running, folder, data) = serve(&["--sandbox", "off"]);
    let outside = folder.path().join("outside");
    lead_astray(&data, &outside);
    assert_eq!(upload(&running), 502);
    assert!(all_below(&outside).len() > 2, "the test of the sandbox shows nothing");
}

#[test]
fn s83_every_thread_has_given_up_what_the_server_does_not_need() {
    let (running, _folder, _) = serve(&["--sandbox", "require"]);
    assert_eq!(upload(&running), 502);
    let privileges = of_each_thread(&running, "NoNewPrivs:");
    // It is given up where Landlock is asked for: a thread that was made before has it still.
    assert!(privileges.len() > 8, "{privileges:?}");
    assert!(privileges.iter().all(|value| value == "1"), "{privileges:?}");
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");

    running.signal(Signal::TERM);
    let ended = running.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("Landlock: ABI ") && ended.stderr.contains(", enforced: "),
        "{}",
        ended.stderr
    );
    let as_root = rustix::process::geteuid().is_root();
    assert_eq!(ended.stderr.contains("Running as root"), as_root, "{}", ended.stderr);
}

#[test]
fn a_server_without_a_sandbox_says_so() {
    let (running, _folder, _) = serve(&["--sandbox", "off"]);
    let privileges = of_each_thread(&running, "NoNewPrivs:");
    running.signal(Signal::TERM);
    let ended = running.ended();
    assert!(ended.stderr.contains("Landlock: off"), "{}", ended.stderr);
    assert!(
        privileges.iter().all(|value| value == "0"),
        "what the other test looks at says nothing: {privileges:?}"
    );
}

#[test]
fn what_it_makes_is_for_its_owner_alone() {
    let (running, _folder, data) = serve(&[]);
    assert_eq!(upload(&running), 502);
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    let made = all_below(&data);
    assert!(made.len() > 10, "{made:?}");
    for path in made.iter().chain([&data]) {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(path), expected, "{}", path.display());
    }
    drop(running);
}

#[test]
fn a_folder_that_others_can_look_into_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let running = Running::serve(&data.display().to_string(), &[]);
    running.signal(Signal::TERM);
    let ended = running.ended();
    assert!(ended.stderr.contains(&format!("chmod 700 {}", data.display())), "{}", ended.stderr);
}

#[test]
fn it_starts_again_tidies_up_and_can_be_looked_through() {
    let (running, _folder, data) = serve(&[]);
    assert_eq!(upload(&running), 502);
    assert!(data.join("admin.json").exists());
    running.signal(Signal::TERM);
    let ended = running.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!data.join("admin.json").exists());

    let path = data.display().to_string();
    let again = Running::serve(&path, &[("LANDLINE_SECRET", SECRET)]);
    assert_eq!(upload(&again), 502);
    drop(again);
    assert!(data.join("admin.json").exists(), "killed, it cannot take it away");

    let checked = run(&["check", "--data", &path]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains("2 files"), "{checked:?}");
}

#[test]
fn the_audit_log_is_written_from_within_the_sandbox_and_can_be_moved_away() {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("log/audit.log");
    let flags = ["--sandbox", "require", "--audit-log", path.to_str().unwrap()];
    let (running, _folder, _) = serve(&flags);
    let start = "/v3/directline/conversations";
    assert_eq!(ask(running.public(), "POST", start, "x", "{}").0, 403);
    let wait_for = |words: &str| {
        let end = std::time::Instant::now() + PATIENCE;
        while !fs::read_to_string(&path).is_ok_and(|text| text.contains(words)) {
            assert!(std::time::Instant::now() < end, "{words:?} is not in {:?}", fs::read_to_string(&path));
            pause();
        }
    };
    wait_for("\"event\":\"denied\"");
    wait_for("\"event\":\"sandbox\",\"state\":\"Landlock: ABI ");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

    fs::rename(&path, elsewhere.path().join("log/old")).unwrap();
    assert_eq!(ask(running.public(), "POST", start, "x", "{}").0, 403);
    wait_for("\"event\":\"denied\"");

    running.signal(Signal::TERM);
    let ended = running.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    wait_for("\"event\":\"stopped\"");
    assert!(!ended.stderr.contains("landline::audit"), "it has a file of its own: {}", ended.stderr);
}

#[test]
fn without_a_file_the_audit_log_is_part_of_the_log() {
    let (running, _folder, _) = serve(&[]);
    assert_eq!(ask(running.public(), "POST", "/v3/directline/conversations", "x", "{}").0, 403);
    running.signal(Signal::TERM);
    let ended = running.ended();
    let lines = ended.stderr.lines().map(json);
    let lines: Vec<_> = lines.filter(|line| line["target"] == "landline::audit").collect();
    let records: Vec<_> = lines.iter().map(|line| json(line["message"].as_str().unwrap())).collect();
    let events: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["started", "sandbox", "denied", "stopped"]);
}
