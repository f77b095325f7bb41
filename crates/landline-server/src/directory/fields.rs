//! What the settings of bots and sites may be, wherever they come from: the configuration file and the admin API check alike.
//!
//! Each function takes what was written and gives what is meant, or says what to write instead.
//!
//! Invariant: no problem quotes a secret.

use std::sync::Arc;
use std::time::Duration;

use landline_core::DeliveryMode;
use landline_core::files::FileLife;
use landline_outbound::{AddressPolicy, Authorities};
use url::Url;

use super::Hidden;
use crate::bot_client::{check_endpoint, check_shape};
use crate::config::{parse_time, show_time};
use crate::limits::{
    MAX_APP_ID_CHARS, MAX_CLIENT_SECRET_CHARS, MAX_ISSUER_CHARS, MAX_SCOPE_CHARS, MAX_TENANT_CHARS, RATE_MAX,
    RETENTION_MIN, TOKEN_LIFETIME_MAX, TOKEN_LIFETIME_MIN,
};

/// How `delivery` spells [`DeliveryMode::Wait`].
pub(crate) const WAIT: &str = "wait";

/// How `delivery` spells [`DeliveryMode::Queued`].
pub(crate) const QUEUED: &str = "queued";

/// What `empty_watermark` says for the whole history.
pub(crate) const HISTORY: &str = "history";

/// What it says for nothing but what is new.
pub(crate) const ONLY_NEW: &str = "new";

/// How long a token lives, unless it is said otherwise.
pub(crate) const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// How long a conversation is kept after its last activity, unless it is said otherwise.
pub(crate) const DEFAULT_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a token lives. Clients are told in whole seconds.
pub(crate) fn token_lifetime(text: &str) -> Result<Duration, String> {
    time(text, (TOKEN_LIFETIME_MIN, TOKEN_LIFETIME_MAX))
}

/// How long a conversation is kept after its last activity.
pub(crate) fn retention(text: &str) -> Result<Duration, String> {
    time(text, (RETENTION_MIN, Duration::MAX))
}

/// How `files` spells [`FileLife::Conversation`].
pub(crate) const WITH_CONVERSATION: &str = "conversation";

/// How long files are kept; a time of their own, or as long as their conversation.
pub(crate) fn file_life(text: &str) -> Result<FileLife, String> {
    if text == WITH_CONVERSATION {
        return Ok(FileLife::Conversation);
    }
    let problem = |why| format!("{why}, or {WITH_CONVERSATION:?} for as long as the conversation");
    time(text, (RETENTION_MIN, Duration::MAX)).map(FileLife::For).map_err(problem)
}

/// The text for it.
pub(crate) fn file_life_text(life: FileLife) -> String {
    match life {
        FileLife::For(time) => show_time(time),
        FileLife::Conversation => WITH_CONVERSATION.to_owned(),
    }
}

/// Whether `watermark=` with nothing behind it asks for the whole history.
pub(crate) fn empty_watermark_is_history(text: &str) -> Result<bool, String> {
    match text {
        HISTORY => Ok(true),
        ONLY_NEW => Ok(false),
        _ => Err(format!("{text:?} is not known; write {HISTORY:?} or {ONLY_NEW:?}")),
    }
}

/// How much may come a second.
pub(crate) fn per_second(count: i64) -> Result<u32, String> {
    u32::try_from(count).ok().filter(|count| *count <= RATE_MAX).ok_or_else(|| {
        format!("{count} is out of range; write a number up to {RATE_MAX}, or 0 for as much as you like")
    })
}

fn time(text: &str, (min, max): (Duration, Duration)) -> Result<Duration, String> {
    let time = parse_time(text)?;
    if time < min {
        return Err(format!("{text} is too short; write {} or more", show_time(min)));
    }
    if time > max {
        return Err(format!("{text} is too long; write {} or less", show_time(max)));
    }
    Ok(time)
}

/// An app id: mostly a UUID, but any name that both sides agree on will do.
pub(crate) fn app_id(text: &str) -> Result<Arc<str>, String> {
    visible(text, MAX_APP_ID_CHARS)
}

/// A tenant; it stands in the paths of the token endpoints.
pub(crate) fn tenant(text: &str) -> Result<Arc<str>, String> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let is_name = plain && text.bytes().any(|b| b.is_ascii_alphanumeric());
    if !is_name || text.len() > MAX_TENANT_CHARS {
        return Err(format!(
            "it stands in paths: write 1 to {MAX_TENANT_CHARS} letters, digits, '-', '_' and '.', such as a tenant id"
        ));
    }
    Ok(text.into())
}

/// An issuer. Kept as it is written: bots compare it letter by letter.
pub(crate) fn issuer(text: &str) -> Result<Arc<str>, String> {
    let is_url = text.parse::<Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_url || text.len() > MAX_ISSUER_CHARS || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!(
            "write a URL that begins with http:// or https://, of at most {MAX_ISSUER_CHARS} characters, such as \
             \"https://api.botframework.com\""
        ));
    }
    Ok(text.into())
}

/// How a bot gets what clients send.
pub(crate) fn delivery(text: &str) -> Result<DeliveryMode, String> {
    match text {
        WAIT => Ok(DeliveryMode::Wait),
        QUEUED => Ok(DeliveryMode::Queued),
        _ => Err(format!("{text:?} is not known; write {WAIT:?} or {QUEUED:?}")),
    }
}

/// The word for a delivery mode.
pub(crate) fn delivery_text(mode: DeliveryMode) -> &'static str {
    match mode {
        DeliveryMode::Wait => WAIT,
        DeliveryMode::Queued => QUEUED,
    }
}

/// Where activities, or requests for tokens, are posted to.
pub(crate) fn endpoint(text: &str) -> Result<Url, String> {
    let url = kept_endpoint(text)?;
    check_endpoint(&url, &AddressPolicy::default()).map_err(|why| why.to_string())?;
    Ok(url)
}

/// The same of one that was taken once, perhaps by a release or a configuration that took more addresses: those are
/// checked again when they are connected to.
pub(crate) fn kept_endpoint(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|why| {
        format!("this is no URL ({why}); write one such as \"http://localhost:3978/api/messages\"")
    })?;
    check_shape(&url).map_err(|why| why.to_string())?;
    Ok(url)
}

/// Certificate authorities, in PEM.
pub(crate) fn authorities(text: &str) -> Result<Authorities, String> {
    Authorities::from_pem(text).map_err(|why| why.to_string())
}

/// Whether authorities are of any use with this address.
pub(crate) fn authorities_fit(authorities: Option<&Authorities>, url: &Url) -> Result<(), String> {
    if authorities.is_some() && url.scheme() != "https" {
        return Err("over http:// nobody shows a certificate; write https:// there, or leave this out".into());
    }
    Ok(())
}

/// A secret that somebody else has made; how strong it is, is theirs to say.
pub(crate) fn client_secret(text: &str) -> Result<Hidden, String> {
    let fits = (1..=MAX_CLIENT_SECRET_CHARS).contains(&text.len());
    if !fits || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("write 1 to {MAX_CLIENT_SECRET_CHARS} visible ASCII characters, without spaces"));
    }
    Ok(Hidden::new(text.to_owned()))
}

/// What is asked for at the token endpoint; several are separated by a space.
pub(crate) fn scope(text: &str) -> Result<String, String> {
    let fits = (1..=MAX_SCOPE_CHARS).contains(&text.len()) && text.trim() == text;
    if !fits || !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Err(format!(
            "write 1 to {MAX_SCOPE_CHARS} visible ASCII characters, such as \"https://api.botframework.com/.default\""
        ));
    }
    Ok(text.to_owned())
}

/// Why credentials of a bot without an app id are refused; the argument is how this place spells the app id.
pub(crate) fn needs_app_id(key: &str) -> String {
    format!("credentials are for bots with an app id; set {key} too, or leave this out")
}

fn visible(text: &str, most: usize) -> Result<Arc<str>, String> {
    if !(1..=most).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("write 1 to {most} visible ASCII characters, without spaces"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T>(parse: impl Fn(&str) -> Result<T, String>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(parse(text).is_ok(), "{text:?} is refused");
        }
        for text in bad {
            assert!(parse(text).is_err(), "{text:?} is taken");
        }
    }

    #[test]
    fn what_settings_may_be() {
        let long = "x".repeat(129);
        let app_ids = ["0cee1f4c-5b6f-4b12-9a0f-7d3f0e1a2b3c", "bot", "x", &long[1..]];
        check(app_id, &app_ids, &["", "a b", "a\n", "é", &long]);
        check(
            tenant,
            &["botframework.com", "a-b_c", "72f988bf-86f1-41af-91ab-2d7cd011db47"],
            &["", ".", "..", "a/b", "a b", "é", "%2e", &long],
        );
        let long = format!("https://{}", "x".repeat(512));
        check(
            issuer,
            &["https://api.botframework.com", "http://127.0.0.1:3000"],
            &["", "api.botframework.com", "ftp://x", "https://", "https://x y", " https://x", &long],
        );
        check(delivery, &["wait", "queued"], &["", "Wait", "now"]);
        check(
            endpoint,
            &["http://localhost:3978/api/messages"],
            &["", "/x", "ftp://x/", "http://169.254.169.254/"],
        );
        check(scope, &["a", "https://api.botframework.com/.default", "a b"], &["", " a", "a\n", "é"]);
    }

    #[test]
    fn files_are_kept_for_a_time_or_with_their_conversation() {
        check(
            file_life,
            &["24h", "1m", "90d", "conversation"],
            &["", "1s", "for ever", "Conversation", "24"],
        );
        for text in ["1d", "conversation"] {
            assert_eq!(file_life(text).map(file_life_text).as_deref(), Ok(text));
        }
        assert!(file_life("soon").unwrap_err().contains("\"conversation\""));
    }

    #[test]
    fn an_issuer_stays_as_it_is_written() {
        assert_eq!(&*issuer("https://API.botframework.com").unwrap(), "https://API.botframework.com");
    }

    #[test]
    fn a_refused_secret_is_not_quoted() {
        assert_eq!(client_secret("a~b.c").unwrap().expose(), "a~b.c");
        for bad in ["", "canary canary", "canary\n", &"canary".repeat(100)] {
            let problem = client_secret(bad).unwrap_err();
            assert!(!problem.contains("canary"), "{problem}");
        }
    }

    #[test]
    fn a_word_for_each_way_of_delivery() {
        for mode in [DeliveryMode::Wait, DeliveryMode::Queued] {
            assert_eq!(delivery(delivery_text(mode)), Ok(mode));
        }
    }
}
