//! What is printed at the start: what a client and a bot need, ready to paste.
//!
//! Invariant: a secret is shown only if it was made just now, because it cannot be shown again. The `serviceUrl` of a
//! bot is not shown: it holds the capability by which a bot without an app id is known, and the bot is told it with
//! every activity.

use std::fmt::Write;
use std::net::SocketAddr;

use landline_auth::SiteSecret;
use landline_protocol::SiteName;
use landline_server::app::Running;
use landline_server::config::{Config, SiteConfig};

/// For `landline serve`.
pub(crate) fn serving(config: &Config, running: &Running) -> String {
    let base = public_base(config, running.public_addr);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "landline {} is serving\n", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "  Clients   direct line   {base}/v3/directline");
    for bot in &config.bots {
        let _ = writeln!(text, "  Bot       {:<13} {}", bot.name.as_str(), bot.endpoint);
    }
    let _ = writeln!(text, "            reaches us at {}/connector/…", bot_base(config, running.public_addr));
    let _ =
        writeln!(text, "  Operator  admin         http://{}/readyz /healthz /metrics", running.admin_addr);
    let _ = writeln!(text, "            data          {}", config.data.display());
    for site in &config.sites {
        text.push('\n');
        let new = running.first_secrets.iter().find(|(name, _)| *name == site.name);
        describe_site(&mut text, site, new, &base);
    }
    text
}

fn describe_site(text: &mut String, site: &SiteConfig, new: Option<&(SiteName, SiteSecret)>, base: &str) {
    let name = &site.name;
    let shown = match new {
        Some((_, secret)) => {
            let _ = writeln!(
                text,
                "  The secret of site {name}, made just now. Keep it; it is not shown again:\n"
            );
            let _ = writeln!(text, "    {}\n", secret.expose());
            secret.expose()
        }
        None => "$LANDLINE_SECRET",
    };
    let _ = writeln!(text, "  A token for a client of site {name}:\n");
    let _ = writeln!(
        text,
        "    curl -X POST {base}/v3/directline/tokens/generate -H 'content-type: application/json' \\"
    );
    let _ =
        writeln!(text, "      -H \"authorization: Bearer {shown}\" -d '{{\"user\":{{\"id\":\"dl_1\"}}}}'");
}

fn public_base(config: &Config, address: SocketAddr) -> String {
    config.public_url.as_ref().map_or_else(|| local_base(address), without_slash)
}

fn bot_base(config: &Config, address: SocketAddr) -> String {
    config.connector_url.as_ref().map_or_else(|| public_base(config, address), without_slash)
}

fn without_slash(url: &url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// How this server is reached from this machine.
pub(crate) fn local_base(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv6() {
            std::net::Ipv6Addr::LOCALHOST.into()
        } else {
            std::net::Ipv4Addr::LOCALHOST.into()
        });
    }
    format!("http://{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_named_so_that_it_can_be_reached() {
        for (address, base) in [
            ("127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:3000", "http://[::1]:3000"),
            ("192.0.2.1:3000", "http://192.0.2.1:3000"),
        ] {
            assert_eq!(local_base(address.parse().unwrap()), base);
        }
    }
}
