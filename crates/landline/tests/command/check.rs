//! `landline check`.

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::process::{Running, SECRET, ask, json, run};

const TEXT: &str = "canary-canary-canary";

/// A folder with one conversation that holds a message, from a server that was killed.
fn folder_with_data() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::serve(&folder.path().display().to_string(), &[("LANDLINE_SECRET", SECRET)]);
    let started =
        ask(running.public(), "POST", "/v3/directline/conversations", SECRET, r#"{"user":{"id":"dl_1"}}"#).1;
    let conversation = json(&started)["conversationId"].as_str().unwrap().to_owned();
    let path = format!("/v3/directline/conversations/{conversation}/activities");
    // The bot is not there, which the messages do not mind: they are in the log before it is called.
    let mut stream = std::net::TcpStream::connect(running.public()).unwrap();
    let message = format!(r#"{{"type":"message","text":"{TEXT}","from":{{"id":"dl_1"}}}}"#);
    crate::process::send(&mut stream, "POST", &path, SECRET, &message);
    while !ask(running.public(), "GET", &path, SECRET, "").1.contains(TEXT) {
        crate::process::pause();
    }
    running.signal(Signal::KILL);
    running.ended();
    (folder, conversation)
}

#[test]
fn data_that_is_well() {
    let (folder, _) = folder_with_data();
    let ended = run(&["check", "--data", &folder.path().display().to_string()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("All is well: 1 conversations, 2 records"), "{}", ended.stdout);
}

#[test]
fn a_flipped_bit_is_never_all_well() {
    let (folder, _) = folder_with_data();
    let hits = places_of(folder.path(), TEXT.as_bytes());
    assert!(!hits.is_empty(), "the message is nowhere on the disk in the clear; flip something else");
    for (file, place) in hits {
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[place] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }
    let ended = run(&["check", "--data", &folder.path().display().to_string()]);
    assert!(matches!(ended.code, Some(1 | 3)), "{ended:?}");
}

fn places_of(folder: &Path, text: &[u8]) -> Vec<(PathBuf, usize)> {
    let mut found = Vec::new();
    for entry in folder.read_dir().unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(places_of(&path, text));
        } else if let Some(place) = std::fs::read(&path).unwrap().windows(text.len()).position(|w| w == text)
        {
            found.push((path, place));
        }
    }
    found
}

#[test]
fn a_folder_without_data_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent").display().to_string();
    let ended = run(&["check", "--data", &absent]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&absent), "{}", ended.stderr);
    assert_eq!(run(&["check", "--data", &folder.path().display().to_string()]).code, Some(1));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_conversation_is_repaired_by_name() {
    let (folder, conversation) = folder_with_data();
    let data = folder.path().display().to_string();
    let ended = run(&["check", "--data", &data, "--repair", &conversation]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(&format!("{conversation}: repaired, 2 records kept")), "{}", ended.stdout);
    let ended = run(&["check", "--data", &data, "--repair", "NoSuchConversation"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("NoSuchConversation"), "{}", ended.stderr);
    assert_eq!(run(&["check", "--data", &data, "--repair", "no such"]).code, Some(2));
}

/// The same with a file in it, and where its bytes are.
fn folder_with_file() -> (tempfile::TempDir, PathBuf) {
    let (folder, conversation) = folder_with_data();
    let running = Running::serve(&folder.path().display().to_string(), &[("LANDLINE_SECRET", SECRET)]);
    let path = format!("/v3/directline/conversations/{conversation}");
    let mut stream = std::net::TcpStream::connect(running.public()).unwrap();
    let file = r#"{"a":"file, nothing more than a file"}"#;
    crate::process::send(&mut stream, "POST", &format!("{path}/upload?userId=dl_1"), SECRET, file);
    while !ask(running.public(), "GET", &format!("{path}/activities"), SECRET, "").1.contains("contentUrl") {
        crate::process::pause();
    }
    running.signal(Signal::KILL);
    running.ended();
    let mut files = folder.path().join("files").join(conversation).read_dir().unwrap();
    let bytes = files.next().unwrap().unwrap().path();
    assert_eq!(std::fs::read_to_string(&bytes).unwrap(), file);
    (folder, bytes)
}

#[test]
fn the_bytes_of_files_are_compared() {
    let (folder, file) = folder_with_file();
    let check = |more: &[&str]| {
        let data = folder.path().display().to_string();
        run(&[&["check", "--data", &data], more].concat())
    };
    let well = check(&[]);
    assert_eq!(well.code, Some(0), "{well:?}");
    assert!(well.stdout.contains("3 records, 1 files"), "{}", well.stdout);
    let bytes = std::fs::read(&file).unwrap();

    std::fs::write(file.with_file_name("another.original"), b"x").unwrap();
    let left_over = check(&[]);
    assert_eq!(left_over.code, Some(0), "{left_over:?}");
    assert!(
        left_over.stdout.contains("1 stored files or thumbnails belong to nothing"),
        "{}",
        left_over.stdout
    );

    for (changed, words) in [
        ([&bytes[1..], b"x"].concat(), "others than were kept"),
        (bytes[1..].to_vec(), "bytes, "),
        (bytes.clone(), ""),
    ] {
        std::fs::write(&file, changed).unwrap();
        let found = check(&[]);
        assert_eq!(found.code, Some(if words.is_empty() { 0 } else { 3 }), "{found:?}");
        assert!(found.stdout.contains(words), "{}", found.stdout);
    }

    let empty = tempfile::tempdir().unwrap();
    let elsewhere = check(&["--files", &empty.path().display().to_string()]);
    assert_eq!(elsewhere.code, Some(3), "{elsewhere:?}");
    assert!(elsewhere.stdout.contains("its bytes are gone"), "{}", elsewhere.stdout);
    std::fs::remove_dir_all(folder.path().join("files")).unwrap();
    let gone = check(&[]);
    assert_eq!(gone.code, Some(3), "{gone:?}");
    assert!(!folder.path().join("files").exists(), "a check makes nothing");
}
