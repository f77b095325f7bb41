//! The example file, made from the same tables and constants as the reading.

use std::fmt::Write;

use super::limits_table::ROWS;
use super::resolve::{
    DEFAULT_ADMIN, DEFAULT_DATA, DEFAULT_LISTEN, DEFAULT_RETENTION, DEFAULT_TOKEN_LIFETIME, HISTORY,
};
use super::units::show_time;

/// A line of the file is not longer than this.
const WIDTH: usize = 100;

pub(super) fn text() -> String {
    let (lifetime, retention) = (show_time(DEFAULT_TOKEN_LIFETIME), show_time(DEFAULT_RETENTION));
    let mut text = format!(
        r##"# Configuration of landline. Every key with its default; those behind a # have none, or stand for themselves.
# Check it with: landline config check landline.toml
# Relative paths count from the folder of this file.

# Where clients and bots connect. Plain http: on other than a loopback address, put a proxy with https in front.
listen = "{DEFAULT_LISTEN}"

# Where probes and scrapers connect: /healthz, /readyz, /metrics. No access control: keep it to yourself.
admin = "{DEFAULT_ADMIN}"

# The folder that holds all data. One process at a time.
data = "{DEFAULT_DATA}"

# How clients reach this server from outside. Without it, what the request says. Needed behind a proxy, unless
# that is named below. Wrong: clients are sent to a socket address that does not exist.
# public_url = "https://bots.example.org"

# How bots reach this server (their serviceUrl), where that is not the public URL. Without both: the listen address.
# connector_url = "http://127.0.0.1:3000"

# Whose Forwarded and X-Forwarded-* headers are believed. Too wide: anybody can make up the address of a socket.
# trusted_proxies = ["127.0.0.1/32"]

[bots.main]
# Where activities are posted to. Any address but link-local ones.
endpoint = "http://localhost:3978/api/messages"

[sites.default]
# Which bot the clients of this site talk to.
bot = "main"

# The secret of the site, 32 characters or more; one of these three. Without any, one is made at the first start,
# printed once, and kept as a digest.
# secret_env = "LANDLINE_SECRET"
# secret_file = "/run/secrets/landline"
# secret = "…"

# A second one that is as good, so that secrets can be changed without a gap; with the same three spellings.
# second_secret_env = "LANDLINE_SECOND_SECRET"

# How long a token is valid. Too short: clients that sleep lose their conversation; too long: so does a thief's.
token_lifetime = "{lifetime}"

# What a reconnect with an empty watermark gets: "{HISTORY}" (everything, so that a reloaded page shows the
# conversation) or "new" (only what comes from then on).
empty_watermark = "{HISTORY}"

# How long a conversation is kept after its last activity. Too short: clients find it gone; too long: the disk fills.
retention = "{retention}"

[limits]
"##
    );
    for row in &ROWS {
        for line in wrap(&format!("{}; {}", row.about, row.extremes)) {
            let _ = writeln!(text, "# {line}"); // writing to a String cannot fail
        }
        let _ = writeln!(text, "{} = {}\n", row.key, row.default_text());
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn wrap(sentence: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in sentence.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
