//! Whom the server connects to by itself: rows S64 to S66.
//!
//! What must not happen is a connection, so some of these tests run in a network of their own, in which every address
//! there is belongs to this machine, port 80 of each is listened on, and every name is answered ([`trap`]): what is
//! connected to at all comes out there. The test starts itself anew in it with `unshare`, which takes root, or user
//! namespaces.

mod inside;
mod trap;

use std::process::Command;

use hyper::Method;
use landline_server::config::Config;
use landline_testkit::in_process::TestServer;
use serde_json::json;

/// What a host is, and the host; see the file.
fn hosts() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("../../../../landline-outbound/vectors/hosts.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let mut words = line.split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    })
}

/// Runs a test of `inside` in a network of its own, with name servers of its own.
fn run_inside(test: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let resolv = folder.path().join("resolv.conf");
    std::fs::write(&resolv, "nameserver 127.0.0.53\noptions timeout:2 attempts:1\n").expect("a file");
    let exe = std::env::current_exe().expect("this program");
    let script = format!(
        "set -e; ip link set lo up; ip route add local 0.0.0.0/0 dev lo; ip -6 route add local ::/0 dev lo || true; \
         mount --bind '{}' \"$(readlink -f /etc/resolv.conf)\"; \
         exec '{}' --exact security::outbound::inside::{test} --ignored --nocapture --test-threads 1",
        resolv.display(),
        exe.display(),
    );
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--map-root-user", "sh", "-c", &script])
        .output()
        .expect("unshare (of the package util-linux) runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "in a network of its own (needs unshare, ip and mount, and root or user namespaces): {said}"
    );
}

#[test]
fn s64_no_url_of_a_client_or_a_bot_is_fetched() {
    run_inside("no_url_that_somebody_sends_is_fetched");
}

#[test]
fn s65_what_is_never_connected_to_is_not_connected_to() {
    run_inside("no_forbidden_host_is_connected_to");
}

#[test]
fn s66_a_name_that_changes_its_mind_leads_nowhere() {
    run_inside("a_name_leads_where_it_was_checked_to_lead");
}

#[tokio::test]
async fn s65_what_is_never_connected_to_cannot_be_saved() {
    let server = TestServer::start().await;
    let add = |name: &str, endpoint: &str| {
        server.admin(Method::POST, "/bots").json(&json!({"name": name, "endpoint": endpoint}))
    };
    add("good", "http://10.1.2.3/").send().await.expect(201);
    let change = |body| server.admin(Method::PATCH, "/bots/good").json(&body);
    let mut tried = 0;
    for (_, host) in hosts().filter(|(kind, _)| *kind == "never") {
        tried += 1;
        let url = format!("http://{host}/api/messages");
        add("bad", &url).send().await.refused(400, "BadArgument");
        change(json!({"endpoint": url})).send().await.refused(400, "BadArgument");
        let outgoing = json!({"tokenUrl": url, "clientSecret": "s", "scope": "x"});
        change(json!({"appId": "x", "outgoing": outgoing})).send().await.refused(400, "BadArgument");
        for (file, key) in [
            (format!("[bots.x]\nendpoint = '{url}'"), "bots.x.endpoint"),
            (
                format!(
                    "[bots.x]\nendpoint = \"http://localhost/\"\napp_id = \"x\"\n\
                     outgoing = {{ token_url = '{url}', client_secret = \"s\" }}"
                ),
                "bots.x.outgoing.token_url",
            ),
            (
                format!("[trusted_issuers.x]\nissuers = [\"https://x\"]\nkeys_url = '{url}'"),
                "trusted_issuers.x.keys_url",
            ),
            (
                format!("[trusted_issuers.x]\nissuers = [\"https://x\"]\nopenid_metadata_url = '{url}'"),
                "trusted_issuers.x.openid_metadata_url",
            ),
        ] {
            let refused = Config::parse(&file, "".as_ref(), &|_| None).err();
            let refused = refused.unwrap_or_else(|| panic!("{file} is taken")).to_string();
            assert!(refused.starts_with(key), "{refused}");
        }
    }
    assert!(tried >= 120, "{tried}");
    assert_eq!(
        server.admin(Method::GET, "/bots/good").send().await.json()["bot"]["endpoint"],
        "http://10.1.2.3/"
    );
    server.admin(Method::GET, "/bots/bad").send().await.expect(404);
}

/// The same for what an operator does not want, by rules of their own.
#[tokio::test]
async fn s65_what_an_operator_denies_cannot_be_saved() {
    let config = |rules: &str| {
        let file = format!("[outbound]\n{rules}");
        Config::parse(&file, "".as_ref(), &|_| None).expect(rules).outbound
    };
    let kinds = |kinds: &'static [&str]| move |kind: &str| kinds.contains(&kind);
    type Taken = Box<dyn Fn(&str) -> bool>;
    let all: [(&str, Taken); 4] = [
        ("", Box::new(kinds(&["public", "private", "special", "loopback"]))),
        ("allow = [\"public\"]", Box::new(kinds(&["public"]))),
        ("allow = [\"private\", \"loopback\"]", Box::new(kinds(&["private", "loopback"]))),
        ("allow = [\"0.0.0.0/0\", \"::/0\"]", Box::new(kinds(&["public", "private", "special", "loopback"]))),
    ];
    for (rules, taken) in &all {
        let outbound = config(rules);
        let server = TestServer::builder().configure(|config| config.outbound = outbound).start().await;
        for (number, (kind, host)) in hosts().enumerate() {
            let body = json!({"name": format!("bot{number}"), "endpoint": format!("https://{host}/")});
            let status = server.admin(Method::POST, "/bots").json(&body).send().await.status;
            let expected = if taken(kind) { 201 } else { 400 };
            assert_eq!(status, expected, "{rules}: {kind} {host}");
        }
    }
    for bad in ["allow = []", "allow = [\"all\"]", "deny = [\"10.0.0.0/33\"]", "deny = \"private\"", "x = 1"]
    {
        assert!(Config::parse(&format!("[outbound]\n{bad}"), "".as_ref(), &|_| None).is_err(), "{bad}");
    }
}

/// By the admin API and by the file; they are there after a restart, and nothing is taken that is none.
#[tokio::test]
async fn s69_authorities_of_a_bot_are_checked_and_kept() {
    let made = rcgen::generate_simple_self_signed(["bot.example".to_owned()]).expect("a certificate");
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let server = TestServer::start().await;
    let add = |endpoint: &str, pem: &str| {
        let body = json!({"name": "tied", "endpoint": endpoint, "caCertificates": pem});
        server.admin(Method::POST, "/bots").json(&body)
    };
    for (endpoint, pem) in [
        ("http://bot.example/", &*pem),
        ("https://bot.example/", ""),
        ("https://bot.example/", "no PEM"),
        ("https://bot.example/", &key),
        ("https://bot.example/", &format!("{pem}{key}")),
        ("https://bot.example/", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        let refused = add(endpoint, pem).send().await.refused(400, "BadArgument").json().to_string();
        assert!(refused.contains("caCertificates") && !refused.contains("BEGIN PRIVATE"), "{refused}");
    }
    add("https://bot.example/", &pem).send().await.expect(201);
    let at = |server: &TestServer, method| server.admin(method, "/bots/tied");
    let again = server.restarted().await;
    assert_eq!(at(&again, Method::GET).send().await.json()["bot"]["caCertificates"], pem);
    let to_plain = json!({"endpoint": "http://bot.example/"});
    at(&again, Method::PATCH).json(&to_plain).send().await.refused(400, "BadArgument");
    at(&again, Method::PATCH).json(&json!({"caCertificates": null})).send().await.expect(200);
    assert!(at(&again, Method::GET).send().await.json()["bot"]["caCertificates"].is_null());

    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), &pem).expect("a file");
    std::fs::write(folder.path().join("key.pem"), &key).expect("a file");
    for (file, wrong) in [
        ("[bots.x]\nendpoint = \"https://b/\"\nca_certificates = \"ca.pem\"", ""),
        ("[outbound]\nca_certificates = \"ca.pem\"", ""),
        ("[bots.x]\nendpoint = \"http://b/\"\nca_certificates = \"ca.pem\"", "bots.x.ca_certificates: "),
        ("[bots.x]\nendpoint = \"https://b/\"\nca_certificates = \"key.pem\"", "bots.x.ca_certificates: "),
        ("[bots.x]\nendpoint = \"https://b/\"\nca_certificates = \"none.pem\"", "bots.x.ca_certificates: "),
        ("[outbound]\nca_certificates = \"key.pem\"", "outbound.ca_certificates: "),
        (
            "[trusted_issuers.x]\nissuers = [\"https://x\"]\nkeys_url = \"http://x/\"\nca_certificates = \"ca.pem\"",
            "trusted_issuers.x.ca_certificates: ",
        ),
    ] {
        let parsed = Config::parse(file, folder.path(), &|_| None);
        let said = parsed.map_or_else(|error| error.to_string(), |_| String::new());
        assert!(said.starts_with(wrong) && said.is_empty() == wrong.is_empty(), "{file}: {said}");
    }
}
