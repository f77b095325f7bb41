//! Smuggling through real proxies (S39): what nginx and HAProxy let pass must not make them and us see two different
//! ends of a request.
//!
//! After each vector, others ask through the same proxy, which keeps its connections to us. Whoever is answered with
//! what was smuggled behind somebody else's request gets the wrong status here.
//!
//! Ignored where the proxies are not installed; `cargo xtask security` installs them and runs this.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landline_testkit::in_process::{SECRET, TestServer};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::framing::{bad_chunks, two_ends};
use super::raw::{Ask, Line};

/// How long a vector's sender listens before the next one.
const LISTENS: Duration = Duration::from_millis(150);

/// A running proxy; ends with the value.
struct Proxy {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Starts a program with a configuration, in which `LISTEN`, `SERVER` and `FOLDER` are filled in.
async fn start(program: &str, words: &[&str], configuration: &str, server: SocketAddr) -> Proxy {
    let folder = tempfile::tempdir().expect("a folder");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number");
    let path = folder.path().join("proxy.conf");
    let text = configuration
        .replace("LISTEN", &port.to_string())
        .replace("SERVER", &server.to_string())
        .replace("FOLDER", &folder.path().display().to_string());
    std::fs::File::create(&path).expect("a file").write_all(text.as_bytes()).expect("written");
    let process = Command::new(program)
        .args(words)
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; is it installed?"));
    let proxy = Proxy { process, address: port, _folder: folder };
    let began = Instant::now();
    while tokio::net::TcpStream::connect(port).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "{program} does not listen");
        sleep(Duration::from_millis(50)).await;
    }
    proxy
}

const NGINX: &str = "
daemon off;
master_process off;
pid FOLDER/pid;
error_log FOLDER/error.log;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    upstream landline { server SERVER; keepalive 2; }
    server {
        listen LISTEN;
        location / {
            proxy_pass http://landline;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_request_buffering off;
        }
    }
}
";

const HAPROXY: &str = "
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
    http-reuse always
frontend in
    bind LISTEN
    default_backend landline
backend landline
    server landline SERVER
";

/// Somebody who has nothing to do with it is answered as ever.
async fn others_are_well(proxy: &Proxy, vector: &str) {
    for _ in 0..2 {
        let ask = Ask::post("/v3/directline/tokens/generate").bearer(SECRET).json("{}");
        let answer = ask.send(proxy.address).await;
        assert_eq!(answer.status, 200, "after {:?}: {}", &vector[..vector.len().min(300)], answer.text());
    }
}

async fn attack(program: &str, words: &[&str], configuration: &str) {
    let server = TestServer::start().await;
    let proxy = start(program, words, configuration, server.address).await;
    others_are_well(&proxy, "").await;
    for vector in two_ends().into_iter().chain(bad_chunks()) {
        let mut line = Line::open(proxy.address).await;
        line.write(vector.as_bytes()).await;
        line.ends_within(LISTENS).await;
        // While it is open, and when it is gone.
        others_are_well(&proxy, &vector).await;
        drop(line);
        others_are_well(&proxy, &vector).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nginx; cargo xtask security installs it"]
async fn s39_through_nginx_nobody_is_answered_with_what_another_one_smuggled() {
    attack("nginx", &["-c"], NGINX).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs haproxy; cargo xtask security installs it"]
async fn s39_through_haproxy_nobody_is_answered_with_what_another_one_smuggled() {
    attack("haproxy", &["-db", "-f"], HAPROXY).await;
}
