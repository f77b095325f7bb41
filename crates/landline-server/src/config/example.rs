//! The example file, made from the same tables and constants as the reading.

use std::fmt::Write;

use super::limits_table::rows;
use super::resolve::{DEFAULT_ADMIN, DEFAULT_DATA, DEFAULT_LISTEN};
use super::sandbox::DEFAULT_SANDBOX;
use super::units::show_time;
use crate::directory::fields::{
    DEFAULT_RETENTION, DEFAULT_TOKEN_LIFETIME, HISTORY, ONLY_NEW, QUEUED, WAIT, WITH_CONVERSATION,
};
use crate::directory::{DEFAULT_ISSUER, DEFAULT_TENANT, DEFAULT_TOKEN_URL};

/// A line of the file is not longer than this.
const WIDTH: usize = 100;

pub(super) fn text() -> String {
    let (lifetime, retention) = (show_time(DEFAULT_TOKEN_LIFETIME), show_time(DEFAULT_RETENTION));
    let mut text = format!(
        r##"# Configuration of landline. Every key with its default; those behind a # have none, or stand for themselves.
# Check it with: landline config check landline.toml
# Relative paths count from the folder of this file.

# Where clients and bots connect: https with a table [tls] (below), plain http without. Other than a loopback address
# takes one of them, or allow_plain_http.
listen = "{DEFAULT_LISTEN}"

# Where probes, scrapers and the commands that change bots and sites connect. /healthz, /readyz and /metrics have no
# access control: keep it to yourself.
admin = "{DEFAULT_ADMIN}"

# Lets both speak plain http on addresses that other machines reach: where a proxy on another machine does https, or the
# network is trusted. Wrong: whoever is on the way reads secrets and tokens.
allow_plain_http = false

# What opens the admin API, 32 characters or more; one of these three. Without any, one is made at each start and
# written to admin.json in the data folder, where the commands find it.
# admin_token_env = "LANDLINE_ADMIN_TOKEN"
# admin_token_file = "/run/secrets/landline-admin"
# admin_token = "…"

# The folder that holds all data. One process at a time.
data = "{DEFAULT_DATA}"

# Where files are kept that clients and bots send: a folder, or s3://bucket/prefix, az://container/prefix,
# gs://bucket/prefix, with credentials, region and endpoint from the environment (AWS_…, AZURE_…, GOOGLE_…). Without it,
# the folder files below data. For one server alone: what it does not know of is removed there.
# files = "s3://chat-files/landline"

# What the process gives up before it serves, where the kernel has Landlock: files outside of its own folders, running
# programs, further listening sockets. "best-effort": as much as the kernel can; "require": all of it, or it does not
# start; "off": nothing.
sandbox = "{DEFAULT_SANDBOX}"

# Where refusals and what operators do are written, a line of JSON each; in a folder of its own. Without it, they go to the
# log of the server, under landline::audit.
# audit_log = "/var/log/landline/audit.log"

# How clients reach this server from outside. Without it, what the request says. Needed behind a proxy, unless
# that is named below. Wrong: clients are sent to a socket address that does not exist.
# public_url = "https://bots.example.org"

# How bots reach this server (their serviceUrl), where that is not the public URL. Without both: the listen address.
# connector_url = "http://127.0.0.1:3000"

# Whose Forwarded and X-Forwarded-* headers are believed. Too wide: anybody can make up the address of a socket.
# trusted_proxies = ["127.0.0.1/32"]

# Whose tokens bots may show, beside those that they get here: what iss may be, letter by letter, and where the keys
# are (openid_metadata_url, or keys_url). Whoever can sign there can speak as the bots of the list, or, without one, as
# every bot that has an app id.
# trusted_issuers.entra.issuers = ["https://sts.windows.net/00000000-0000-0000-0000-000000000000/"]
# trusted_issuers.entra.openid_metadata_url = "https://login.microsoftonline.com/common/.well-known/openid-configuration"
# trusted_issuers.entra.bots = ["main"]
# The certificate authorities of where the keys are, in PEM; with it, only these are believed there.
# trusted_issuers.entra.ca_certificates = "issuer-ca.pem"

# The certificate of the public listener, followed by those that vouch for it, and its key, both in PEM. They are looked
# at every half minute, and a new pair is taken without a restart.
# tls.certificate = "/etc/letsencrypt/live/bots.example.org/fullchain.pem"
# tls.key = "/etc/letsencrypt/live/bots.example.org/privkey.pem"

# Bots and sites can also be added while the server runs: landline bot add, landline site add. Here may be none at all.

[bots.main]
# Where activities are posted to. Any address that [outbound] allows.
endpoint = "http://localhost:3978/api/messages"

# The bot's app id (client id). With one, both sides show each other tokens; without, the bot's serviceUrl holds a part
# that cannot be guessed, and nothing else is checked.
# app_id = "00000000-0000-0000-0000-000000000000"

# The tenant in the addresses at which the bot gets its tokens.
tenant = "{DEFAULT_TENANT}"

# What iss says in the tokens that the bot is shown. Wrong: the bot answers 401 to everything.
issuer = "{DEFAULT_ISSUER}"

# "{WAIT}": a send is answered when the bot has taken it. "{QUEUED}": when it is durable; the bot gets it at least once.
delivery = "{WAIT}"

# What the bot shows to get a token here, 32 characters or more; with the three spellings of a site's secret. Without
# one, the bot has to get its tokens from a trusted issuer.
# credential_env = "LANDLINE_BOT_CREDENTIAL"

# A second one that is as good, so that credentials can be changed without a gap.
# second_credential_env = "LANDLINE_BOT_SECOND_CREDENTIAL"

# For a bot that trusts only somebody else's keys: the tokens that it is shown are fetched with its own secret.
# outgoing = {{ client_secret_env = "LANDLINE_BOT_PASSWORD", token_url = "{DEFAULT_TOKEN_URL}", scope = "00000000-0000-0000-0000-000000000000/.default" }}

# Certificate authorities in PEM; with it, only their certificates are believed of this bot, and none of those that the
# machine or [outbound] trusts. For https endpoints.
# ca_certificates = "bot-ca.pem"

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
# conversation) or "{ONLY_NEW}" (only what comes from then on).
empty_watermark = "{HISTORY}"

# How long a conversation is kept after its last activity. Too short: clients find it gone; too long: the disk fills.
retention = "{retention}"

# How long files are kept: a time, or "{WITH_CONVERSATION}" for as long as their conversation. Without it, limits.file_life.
# files = "{WITH_CONVERSATION}"

# Enhanced authentication. With true, the ids of users have to begin with dl_ and stand in their tokens, and only pages of
# these origins may use tokens of this site (scheme, host and port, letter by letter; at least one). A change holds for
# tokens that are out, too. One too many: its pages can speak as whoever opens them; one too few: its chat does not open.
enhanced_authentication = false
# trusted_origins = ["https://www.example.org"]
# How much may come to this site a second. Without them, limits.site_…; 0 is no limit.
# sends_per_second = 2000
# starts_per_second = 1000
# tokens_per_second = 2000
# uploads_per_second = 200
# polls_per_second = 10000

[outbound]
# What this server connects to by itself: bots, token endpoints, issuers and the storage of files. Addresses, networks,
# or "public" (reached from everywhere), "private" (10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7 and the like),
# "loopback" (this machine). Link-local addresses, metadata services of clouds, 0.0.0.0 and multicast are never connected to.
# A name counts for what it leads to, at each connection anew.
# Without allow: everything else. Too wide: whoever may add a bot reaches what only this machine reaches; too narrow: bots
# are not reached (502), and neither are buckets and issuers.
# allow = ["public", "10.20.0.0/16"]

# What is refused, whatever allow says. Too wide: as above.
# deny = ["10.20.0.1"]

# Certificate authorities in PEM that are trusted beside those of the machine.
# ca_certificates = "company-ca.pem"

[limits]
"##
    );
    for row in rows() {
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
