//! What is printed at the start: what a client and a bot need, ready to paste.
//!
//! Invariant: a secret is shown only if it was made just now, because it cannot be shown again. The `serviceUrl` of a
//! bot is not shown: it holds the capability by which a bot without an app id is known, and the bot is told it with
//! every activity.

use std::fmt::Write;
use std::net::SocketAddr;

use landline_auth::SiteSecret;
use landline_core::DeliveryMode;
use landline_protocol::SiteName;
use landline_server::app::Running;
use landline_server::config::Config;
use landline_server::directory::{Bot, Snapshot};

use crate::admin::command_over;
use crate::limits::BANNER_LINES;

/// For `landline serve`.
pub(crate) fn serving(config: &Config, running: &Running) -> String {
    let base = public_base(config, running.public_addr);
    let now = running.directory.snapshot();
    let command = |words: &str| command_over(&config.data, words);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "landline {} is serving\n", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "  Clients   direct line   {base}/v3/directline");
    let bots = now.bots.values().map(|bot| format!("{:<13} {}", bot.name.as_str(), describe_bot(bot)));
    let mut bots = first_of(bots.collect(), &command("bot list"));
    bots.push(format!("{:<13} {}/connector/…", "reach us at", bot_base(config, running.public_addr)));
    text.push_str(&block("Bots", &bots));
    let sites = now.sites.values().map(|site| format!("{:<13} for bot {}", site.name.as_str(), site.bot));
    text.push_str(&block("Sites", &first_of(sites.collect(), &command("site list"))));
    let _ =
        writeln!(text, "  Operator  admin         http://{}/readyz /healthz /metrics", running.admin_addr);
    let _ = writeln!(text, "            data          {}", config.data.display());
    let _ = writeln!(text, "            commands      {}", command("bot list"));
    text.push_str(&next_steps(&now, &running.first_secrets, &base, &command));
    text
}

/// The first few of many, and how all are listed.
fn first_of(mut lines: Vec<String>, list: &str) -> Vec<String> {
    let more = lines.len().saturating_sub(BANNER_LINES);
    lines.truncate(BANNER_LINES);
    if more > 0 {
        lines.push(format!("and {more} more: {list}"));
    }
    lines
}

/// Lines behind a title.
fn block(title: &str, lines: &[String]) -> String {
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let title = if index == 0 { title } else { "" };
        let _ = writeln!(text, "  {title:<9} {line}");
    }
    text
}

fn describe_bot(bot: &Bot) -> String {
    let trust = match (&bot.app_id, &bot.outgoing) {
        (None, _) => "does not sign in",
        (Some(_), None) => "signs in",
        (Some(_), Some(_)) => "signs in; shown tokens of its own issuer",
    };
    let delivery = match bot.delivery {
        DeliveryMode::Wait => "",
        DeliveryMode::Queued => "; queued delivery",
    };
    format!("{} ({trust}{delivery})", bot.endpoint)
}

/// What to do now: add what is missing, keep the secrets, get a token.
fn next_steps(
    now: &Snapshot,
    new: &[(SiteName, SiteSecret)],
    base: &str,
    command: &dyn Fn(&str) -> String,
) -> String {
    let mut text = String::new();
    let mut missing = Vec::new();
    if now.bots.is_empty() {
        missing.push(command("bot add BOT --endpoint http://127.0.0.1:3978/api/messages"));
    }
    if now.sites.is_empty() {
        let bot = now.bots.keys().next().map_or("BOT", |name| name.as_str());
        missing.push(command(&format!("site add SITE --bot {bot}")));
    }
    if !missing.is_empty() {
        let what = match (now.bots.is_empty(), now.sites.is_empty()) {
            (true, true) => "There is neither a bot nor a site",
            (true, false) => "There is no bot",
            (false, _) => "There is no site, so no client can come in",
        };
        let _ = writeln!(text, "\n  {what} yet. In another terminal:\n");
        for line in missing {
            let _ = writeln!(text, "    {line}");
        }
    }
    for (site, secret) in new {
        let _ =
            writeln!(text, "\n  The secret of site {site}, made just now. Keep it; it is not shown again:\n");
        let _ = writeln!(text, "    {}\n", secret.expose());
        token_line(&mut text, site, secret.expose(), base);
    }
    if let (true, Some(site)) = (new.is_empty(), now.sites.keys().next()) {
        text.push('\n');
        token_line(&mut text, site, "$LANDLINE_SECRET", base);
    }
    text
}

fn token_line(text: &mut String, site: &SiteName, secret: &str, base: &str) {
    let _ = writeln!(text, "  A token for a client of site {site}:\n");
    let _ = writeln!(
        text,
        "    curl -X POST {base}/v3/directline/tokens/generate -H 'content-type: application/json' \\"
    );
    let _ =
        writeln!(text, "      -H \"authorization: Bearer {secret}\" -d '{{\"user\":{{\"id\":\"dl_1\"}}}}'");
}

fn public_base(config: &Config, address: SocketAddr) -> String {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    config.public_url.as_ref().map_or_else(|| local_base(scheme, address), without_slash)
}

fn bot_base(config: &Config, address: SocketAddr) -> String {
    config.connector_url.as_ref().map_or_else(|| public_base(config, address), without_slash)
}

fn without_slash(url: &url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// How this server is reached from this machine.
pub(crate) fn local_base(scheme: &str, mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv6() {
            std::net::Ipv6Addr::LOCALHOST.into()
        } else {
            std::net::Ipv4Addr::LOCALHOST.into()
        });
    }
    format!("{scheme}://{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_only_some_are_shown() {
        let lines = |count: usize| (0..count).map(|n| format!("bot{n}")).collect();
        assert_eq!(block("Bots", &first_of(lines(0), "landline bot list")), "");
        let two = block("Bots", &first_of(lines(2), "landline bot list"));
        assert_eq!(two, "  Bots      bot0\n            bot1\n");
        let many = block("Bots", &first_of(lines(50), "landline bot list"));
        assert!(many.ends_with("bot9\n            and 40 more: landline bot list\n"), "{many}");
    }

    #[test]
    fn what_is_missing_is_what_to_do_next() {
        let steps =
            next_steps(&Snapshot::default(), &[], "http://localhost", &|words| format!("landline {words}"));
        assert!(
            steps.contains("neither a bot nor a site")
                && steps.contains("    landline bot add BOT --endpoint http")
                && steps.contains("    landline site add SITE --bot BOT\n"),
            "{steps}"
        );
    }

    #[test]
    fn this_machine_is_named_so_that_it_can_be_reached() {
        for (address, base) in [
            ("127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:3000", "http://[::1]:3000"),
            ("192.0.2.1:3000", "http://192.0.2.1:3000"),
        ] {
            assert_eq!(local_base("http", address.parse().unwrap()), base);
        }
    }
}
