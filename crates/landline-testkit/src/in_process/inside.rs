//! What no answer may tell: where the program lies, what it is made of, which release it is; and what every answer tells
//! browsers.
//!
//! Every answer that a test gets by [`Call`](super::Call) is looked at, so the whole suite is the test.

use hyper::HeaderMap;

/// What stands in texts that were made for whoever runs or builds the server.
const INSIDE: [&str; 25] = [
    // Places on the machine.
    "/home/",
    "/root/",
    "/tmp/",
    "/var/",
    "/usr/",
    "/proc/",
    ".cargo",
    "admin.json.new",
    // Places in the source.
    ".rs:",
    "src/",
    "panicked",
    "backtrace",
    "stack",
    // What it is made of.
    "fjall",
    "hyper",
    "axum",
    "tokio",
    "serde",
    "rustls",
    "landline_",
    "lsm",
    "io::Error",
    "os error",
    "Some(",
    "Err(",
];

/// What of it stands in a text, if anything does.
pub fn of_the_inside(text: &str) -> Option<&'static str> {
    let told = INSIDE.into_iter().find(|words| text.contains(words));
    told.or_else(|| text.contains(env!("CARGO_PKG_VERSION")).then_some("the version"))
}

/// Panics where a refusal, or a header of any answer, tells it.
pub fn tells_nothing_of_the_inside(status: u16, headers: &HeaderMap, body: &[u8]) {
    for telling in ["server", "x-powered-by", "via"] {
        assert!(!headers.contains_key(telling), "the header {telling} tells what this is made of");
    }
    if status < 400 {
        return;
    }
    let body = String::from_utf8_lossy(body);
    if let Some(words) = of_the_inside(&body) {
        panic!("a refusal ({status}) tells of the inside ({words}): {body}");
    }
}

/// Panics where an answer leaves a browser free to do more with it than it was asked for.
pub fn is_guarded_in_browsers(headers: &HeaderMap) {
    let is = |name: &str, has: &dyn Fn(&str) -> bool| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(has(value), "the header {name} is {value:?}: {headers:?}");
    };
    is("x-content-type-options", &|value| value == "nosniff");
    is("referrer-policy", &|value| value == "no-referrer");
    is("content-security-policy", &|value| {
        value.contains("default-src 'none'") && value.contains("frame-ancestors 'none'")
    });
    is("cache-control", &|value| value == "no-store");
    is("cross-origin-resource-policy", &|value| matches!(value, "same-origin" | "cross-origin"));
    is("content-type", &|value| !value.contains("html") && !value.contains("javascript"));
}
