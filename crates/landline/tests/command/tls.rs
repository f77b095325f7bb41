//! TLS by flags and by file, renewals under the sandbox, and who may listen without it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use landline_testkit::client::{CallError, Client};
use landline_testkit::wire::Trust;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::Signal;
use serde_json::json;

use crate::process::{Running, SECRET, get, landline, run};

/// Writes a pair into a folder and gives who believes it.
fn write_pair(folder: &Path) -> Trust {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("fullchain.pem"), cert.pem()).unwrap();
    fs::write(folder.join("privkey.pem"), signing_key.serialize_pem()).unwrap();
    fs::set_permissions(folder.join("privkey.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    Trust::in_authorities(&[cert.der().clone()]).unwrap()
}

fn lead(folder: &Path, to: &Path) {
    fs::create_dir_all(folder).unwrap();
    for name in ["fullchain.pem", "privkey.pem"] {
        let _ = fs::remove_file(folder.join(name));
        symlink(to.join(name), folder.join(name)).unwrap();
    }
}

/// Asks for a token.
fn ask(address: SocketAddr, trust: &Trust) -> Result<String, CallError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = Client::trusting(address, trust.clone());
        client.generate_token(SECRET, &json!({"user": {"id": "ann"}})).await.map(|token| token.token)
    })
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(std::time::Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_certificate_is_renewed_by_a_signal_without_a_restart_and_inside_of_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    // As certbot lays them out.
    let (live, archive) = (folder.path().join("live"), folder.path().join("archive"));
    let first = write_pair(&archive.join("1"));
    lead(&live, &archive.join("1"));
    fs::create_dir_all(archive.join("2")).unwrap();
    let address = free_port();
    let data = folder.path().join("data").display().to_string();
    let [certificate, key] =
        ["fullchain.pem", "privkey.pem"].map(|name| live.join(name).display().to_string());
    let mut command = landline(&[
        "serve",
        "--bot",
        "http://127.0.0.1:9/",
        "--data",
        &data,
        "--listen",
        &address.to_string(),
        "--admin",
        "127.0.0.1:0",
        "--tls-certificate",
        &certificate,
        "--tls-key",
        &key,
    ]);
    command.env("LANDLINE_SECRET", SECRET);
    let mut running = Running::start(command);
    running.wait_for("-H \"authorization");
    assert!(running.stdout.contains(&format!("https://{address}/v3/directline")), "{}", running.stdout);
    ask(address, &first).unwrap();
    let (status, metrics) = get(running.admin(), "/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("\nlandline_tls_certificate_expiry_timestamp_seconds "), "{metrics}");

    // In the folder of before, where a link leads to; what else is above is none of its business.
    let second = write_pair(&archive.join("1"));
    running.signal(Signal::HUP);
    until("the new certificate is not shown", || ask(address, &second).is_ok());
    assert!(matches!(ask(address, &first), Err(CallError::NotSent(_))));

    fs::write(&certificate, "nothing").unwrap();
    running.signal(Signal::HUP);
    until("the trouble is not counted", || {
        get(running.admin(), "/metrics")
            .1
            .contains("landline_tls_certificate_reloads_total{outcome=\"Failed\"} 1")
    });
    ask(address, &second).unwrap();

    running.signal(Signal::TERM);
    let ended = running.ended();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("the old one goes on"), "{}", ended.stderr);
}

#[test]
fn a_hangup_does_not_end_a_server_without_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::serve(&folder.path().display().to_string(), &[]);
    running.signal(Signal::HUP);
    assert_eq!(get(running.admin(), "/readyz").0, 200);
    running.signal(Signal::TERM);
    assert_eq!(running.ended().code, Some(0));
}

#[test]
fn files_that_cannot_be_served_with_are_named_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    write_pair(folder.path());
    let serve = |certificate: &str, key: &str| {
        run(&[
            "serve",
            "--data",
            &at("data"),
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--tls-certificate",
            certificate,
            "--tls-key",
            key,
        ])
    };
    let other = tempfile::tempdir().unwrap();
    write_pair(other.path());
    let foreign = other.path().join("privkey.pem").display().to_string();
    for (certificate, key, words) in [
        (at("none.pem"), at("privkey.pem"), "tls.certificate: cannot read"),
        (at("fullchain.pem"), at("none.pem"), "tls.key: cannot read"),
        (at("privkey.pem"), at("privkey.pem"), "tls.certificate: "),
        (at("fullchain.pem"), at("fullchain.pem"), "tls.key: "),
        (at("fullchain.pem"), foreign, "does not fit"),
    ] {
        let ended = serve(&certificate, &key);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        assert!(!folder.path().join("data").exists(), "it has begun");
    }
    let half = run(&["serve", "--tls-key", &at("privkey.pem")]);
    assert_eq!(half.code, Some(2));
    assert!(half.stderr.contains("--tls-certificate"), "{}", half.stderr);
}

#[test]
fn config_check_looks_at_the_certificate_too() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path());
    let file = folder.path().join("landline.toml");
    let lines =
        "public_url = \"https://127.0.0.1\"\n[tls]\ncertificate = \"fullchain.pem\"\nkey = \"privkey.pem\"";
    fs::write(&file, lines).unwrap();
    let check = || run(&["config", "check", &file.display().to_string()]);
    let fine = check();
    assert_eq!((fine.code, fine.stdout.contains("warning")), (Some(0), false), "{}", fine.stdout);

    fs::set_permissions(folder.path().join("privkey.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let open = check();
    assert_eq!(open.code, Some(0));
    assert!(open.stdout.contains("warning: tls.key: everybody on this machine may read"), "{}", open.stdout);

    fs::remove_file(folder.path().join("fullchain.pem")).unwrap();
    let missing = check();
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("tls.certificate: cannot read"), "{}", missing.stderr);
}

#[test]
fn s82_plain_http_is_not_served_to_other_machines_by_accident() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let shown = data.display().to_string();
    let loopback = "127.0.0.1:0";
    for (arguments, at) in [
        (vec!["serve", "--data", &shown, "--listen", "0.0.0.0:0", "--admin", loopback], "listen: "),
        (vec!["serve", "--data", &shown, "--listen", loopback, "--admin", "[::]:0"], "admin: "),
        (vec!["demo", "--data", &shown, "--listen", "0.0.0.0:0"], "listen: "),
        (vec!["demo", "--data", &shown, "--listen", loopback, "--admin", "0.0.0.0:0"], "admin: "),
    ] {
        let ended = run(&arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(at), "{arguments:?}: {}", ended.stderr);
        for way in ["https", "loopback address", "allow_plain_http = true (--allow-plain-http)"] {
            assert!(ended.stderr.contains(way), "{arguments:?}: no {way} in {}", ended.stderr);
        }
        assert!(!data.exists(), "{arguments:?}: it has begun");
    }

    let file = folder.path().join("landline.toml");
    let check = |lines: &str| {
        fs::write(&file, lines).unwrap();
        run(&["config", "check", &file.display().to_string()])
    };
    assert_eq!(check("listen = \"0.0.0.0:3000\"").code, Some(2));
    let allowed = check("listen = \"0.0.0.0:3000\"\nallow_plain_http = true");
    assert_eq!(allowed.code, Some(0));
    assert!(
        allowed.stdout.contains("warning: listen: other machines reach 0.0.0.0:3000"),
        "{}",
        allowed.stdout
    );
}

#[test]
fn s82_sockets_that_are_handed_over_are_looked_at_too() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let start = format!(
        "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec {} serve --data {} --listen 127.0.0.1:1 --admin \
         127.0.0.1:0",
        env!("CARGO_BIN_EXE_landline"),
        folder.path().join("data").display()
    );
    let socket = OwnedFd::from(listener.try_clone().unwrap());
    let output = Command::new("sh").args(["-c", &start]).stdin(Stdio::from(socket)).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("other machines reach {}", listener.local_addr().unwrap())), "{said}");
    assert!(!folder.path().join("data").exists());
}
