//! What opens a file: the text that stands for it in a log, and the link that is made of that for whoever reads the log.
//!
//! The text in the log never leaves the server and never expires, because the log does not either. The link is a
//! capability: whoever has it can read the file, until it expires. It lasts at least a day and is the same text all day
//! long, so that whoever reads twice reads the same.
//!
//! Invariants: nothing is believed before its MAC is found right. A text of the log is never accepted as a link, nor a
//! link as one, nor either as a token: the key has no other use, and what is signed begins with what it is. A changed
//! byte is refused, also one that would be read as the same.
//!
//! Not here: the path of the link, and where in an activity such texts stand (`landline-server`, `files`); whether the
//! file is there (`landline-core`).

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landline_protocol::{ConversationId, FileId, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::key_ring::KeyRing;
use crate::limits::{FILE_LINK_DAY_SECONDS, FILE_LINK_EXTRA_SECONDS};

/// How every text begins that stands for a file in a log.
pub const LOGGED_FILE: &str = "landline-file:/";

/// How many bytes of the MAC are kept: 128 bits, so that links stay short.
const MAC_BYTES: usize = 16;

/// Everything but RFC 3986's unreserved characters, so that a name is one segment of a path wherever it stands.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A view of a file, as it is linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedFile {
    /// The conversation that it belongs to.
    pub conversation: ConversationId,
    /// The file.
    pub file: FileId,
    /// Which view of it; letters.
    pub view: String,
    /// What it is called.
    pub name: String,
    /// When its time is over; `None` where that is as long as the conversation's.
    pub until: Option<Timestamp>,
}

/// What stands in a link beside its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSignature {
    /// From this second since the epoch on, it is refused.
    pub expires: i64,
    /// The MAC, as text that can stand in a URL as it is.
    pub mac: String,
}

/// Why a link opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileLinkError {
    /// It was made here, and its time is over.
    #[error("the link has expired")]
    Expired,
    /// It was not made here, or not for this.
    #[error("the link is not valid")]
    Invalid,
}

/// The keys that sign all of this. Those that sign no more go on verifying for ever: logs keep what they have signed.
pub struct FileLinkKeys {
    signing: hmac::Key,
    all: Vec<hmac::Key>,
}

impl fmt::Debug for FileLinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileLinkKeys").finish_non_exhaustive()
    }
}

/// A name as one segment of a path.
pub fn escaped_file_name(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

impl FileLinkKeys {
    /// The keys of this ring, which must have no other use.
    pub fn new(ring: &KeyRing) -> Self {
        let key = |bytes: &[u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        Self {
            signing: key(ring.signing().bytes()),
            all: ring.keys().map(|ring_key| key(ring_key.bytes())).collect(),
        }
    }

    /// What stands in a log for this view of a file: characters that JSON writes as they are.
    pub fn logged(&self, file: &LinkedFile) -> String {
        let LinkedFile { conversation, file, view, name, until } = file;
        let name = escaped_file_name(name);
        let until = until.map(|until| format!("until={}&", until.as_millis())).unwrap_or_default();
        let said = format!("{LOGGED_FILE}{conversation}/{file}/{view}/{name}?{until}");
        let mac = mac_text(&self.signing, LOGGED, &[&said]);
        format!("{said}sig={mac}")
    }

    /// Reads what [`Self::logged`] made; `None` for anything else.
    pub fn read_logged(&self, text: &str) -> Option<LinkedFile> {
        let (said, mac) = text.rsplit_once("sig=")?;
        self.is_right(LOGGED, &[said], mac).then(|| parse(said)).flatten()
    }

    /// A link to this view of a file. It works to the end of the running day and one day more, and never longer than
    /// the file.
    pub fn sign_link(&self, file: &LinkedFile, now: Timestamp) -> LinkSignature {
        let day = now.as_seconds().div_euclid(FILE_LINK_DAY_SECONDS);
        let end_of_day = day.saturating_add(1).saturating_mul(FILE_LINK_DAY_SECONDS);
        let at_most = end_of_day.saturating_add(FILE_LINK_EXTRA_SECONDS);
        let expires = file.until.map_or(at_most, |until| until.as_seconds().min(at_most));
        let mac = said_by_link(file, &expires.to_string(), |parts| mac_text(&self.signing, LINK, parts));
        LinkSignature { expires, mac }
    }

    /// Whether a link opens this view of a file now. The file's `until` does not matter here. The two texts are those
    /// behind the path, as they came.
    ///
    /// # Errors
    /// [`FileLinkError`]; `Expired` only of what was once valid.
    pub fn verify_link(
        &self,
        file: &LinkedFile,
        expires: &str,
        mac: &str,
        now: Timestamp,
    ) -> Result<(), FileLinkError> {
        if !said_by_link(file, expires, |parts| self.is_right(LINK, parts, mac)) {
            return Err(FileLinkError::Invalid);
        }
        let expires: i64 = expires.parse().map_err(|_| FileLinkError::Invalid)?;
        if now.as_seconds() >= expires { Err(FileLinkError::Expired) } else { Ok(()) }
    }

    fn is_right(&self, kind: &str, parts: &[&str], mac: &str) -> bool {
        // Compared as text: other texts for the same bytes are not what was signed.
        let is = |key| verify_slices_are_equal(mac_text(key, kind, parts).as_bytes(), mac.as_bytes()).is_ok();
        self.all.iter().any(is)
    }
}

/// What is signed begins with one of these.
const LOGGED: &str = "landline file in a log, 1";
const LINK: &str = "landline link to a file, 1";

/// No part holds a NUL, so that no two lists of parts are signed alike: ids and views are letters, the others come from
/// URLs and are refused with one.
fn mac_text(key: &hmac::Key, kind: &str, parts: &[&str]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(kind.as_bytes());
    for part in parts {
        context.update(b"\0");
        context.update(part.as_bytes());
    }
    let tag = context.sign();
    URL_SAFE_NO_PAD.encode(tag.as_ref().get(..MAC_BYTES).unwrap_or_default())
}

/// The parts of a link that are signed. The name is told apart from what is before it by being last.
fn said_by_link<T>(file: &LinkedFile, expires: &str, with: impl FnOnce(&[&str]) -> T) -> T {
    with(&[file.conversation.as_str(), file.file.as_str(), &file.view, expires, &file.name])
}

/// What was said, of which the MAC is right.
fn parse(said: &str) -> Option<LinkedFile> {
    let (path, query) = said.strip_prefix(LOGGED_FILE)?.split_once('?')?;
    let mut parts = path.split('/');
    let (conversation, file) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let view = parts.next()?.to_owned();
    let name = percent_decode_str(parts.next()?).decode_utf8().ok()?.into_owned();
    let until = match query.strip_prefix("until=") {
        Some(until) => Some(Timestamp::from_millis(until.strip_suffix('&')?.parse().ok()?)),
        None => None,
    };
    Some(LinkedFile { conversation, file, view, name, until })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::TokenKey;

    /// 2026-09-21T14:13:20.120Z.
    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_120);
    /// The end of the day after.
    const EXPIRES: i64 = 1_790_121_600;

    fn key(seed: u8) -> TokenKey {
        TokenKey::from_random(&[seed; 32])
    }

    fn keys() -> FileLinkKeys {
        FileLinkKeys::new(&KeyRing::new(key(7)))
    }

    fn file() -> LinkedFile {
        LinkedFile {
            conversation: "0123456789ABCDEFGHIJKL".parse().unwrap(),
            file: "abcdefghijklmnopqrstuv".parse().unwrap(),
            view: "original".into(),
            name: "Ünï \"1\"/2?.png".into(),
            until: Some(Timestamp::from_millis(1_790_500_000_001)),
        }
    }

    /// Computed with other means than this crate: what a release has logged is read by all that follow.
    const LOGGED_0_1_0: &str = "landline-file:/0123456789ABCDEFGHIJKL/abcdefghijklmnopqrstuv/original/%C3%9Cn%C3%AF%20%221%22%2F2%3F.png?until=1790500000001&sig=bpSJvDqvCBM58fWzOFWKCw";
    const MAC_0_1_0: &str = "m2Wg7ay71bQZ0cjKGPAAkw";

    #[test]
    fn what_stands_in_a_log() {
        let keys = keys();
        assert_eq!(keys.logged(&file()), LOGGED_0_1_0);
        assert_eq!(keys.read_logged(LOGGED_0_1_0), Some(file()));
        let kept = LinkedFile { until: None, ..file() };
        let text = keys.logged(&kept);
        assert!(text.contains(".png?sig="), "{text}");
        assert_eq!(keys.read_logged(&text), Some(kept));
    }

    #[test]
    fn a_link_lasts_to_the_end_of_the_next_day_and_no_longer_than_the_file() {
        let keys = keys();
        let signed = keys.sign_link(&file(), NOW);
        assert_eq!(signed, LinkSignature { expires: EXPIRES, mac: MAC_0_1_0.into() });
        let midnight = Timestamp::from_millis((EXPIRES - 86_400) * 1000);
        let before = Timestamp::from_millis(midnight.as_millis() - 1);
        assert_eq!(keys.sign_link(&file(), before), signed, "the same all day");
        assert_eq!(keys.sign_link(&file(), midnight).expires, EXPIRES + 86_400);
        let until = Some(Timestamp::from_millis(1_790_000_100_999));
        assert_eq!(keys.sign_link(&LinkedFile { until, ..file() }, NOW).expires, 1_790_000_100);
        assert_eq!(keys.sign_link(&LinkedFile { until: None, ..file() }, NOW), signed, "until is not in it");
        for at in [i64::MIN, i64::MAX] {
            let _ = keys.sign_link(&file(), Timestamp::from_millis(at));
        }
    }

    #[test]
    fn a_link_opens_one_view_of_one_file_until_it_expires() {
        let keys = keys();
        let LinkSignature { mac, .. } = keys.sign_link(&file(), NOW);
        let check = |file: LinkedFile, expires: &str, mac: &str, at: i64, expected| {
            let now = Timestamp::from_millis(at);
            assert_eq!(keys.verify_link(&file, expires, mac, now), expected, "{file:?} {expires} {mac} {at}");
        };
        let expires = &EXPIRES.to_string();
        let end = EXPIRES * 1000;
        check(file(), expires, &mac, 0, Ok(()));
        check(LinkedFile { until: None, ..file() }, expires, &mac, end - 1, Ok(()));
        check(file(), expires, &mac, end, Err(FileLinkError::Expired));
        for other in [
            LinkedFile { conversation: "0123456789ABCDEFGHIJKM".parse().unwrap(), ..file() },
            LinkedFile { file: "abcdefghijklmnopqrstuw".parse().unwrap(), ..file() },
            LinkedFile { view: "thumbnail".into(), ..file() },
            LinkedFile { view: String::new(), ..file() },
            LinkedFile { name: "other.png".into(), ..file() },
            LinkedFile { name: String::new(), ..file() },
        ] {
            check(other, expires, &mac, end, Err(FileLinkError::Invalid));
        }
        for other in ["1790121601", "01790121600", "+1790121600", " 1790121600", "1790121600 ", "", "x"] {
            check(file(), other, &mac, 0, Err(FileLinkError::Invalid));
        }
    }

    #[test]
    fn parts_do_not_flow_into_one_another() {
        let keys = keys();
        let signed = keys.sign_link(&LinkedFile { view: "orig".into(), name: "inal".into(), ..file() }, NOW);
        let moved = LinkedFile { view: "origi".into(), name: "nal".into(), ..file() };
        let verified = keys.verify_link(&moved, &signed.expires.to_string(), &signed.mac, NOW);
        assert_eq!(verified, Err(FileLinkError::Invalid));
    }

    #[test]
    fn a_changed_byte_is_refused_at_every_position() {
        let keys = keys();
        let text = keys.logged(&file());
        let LinkSignature { expires, mac } = keys.sign_link(&file(), NOW);
        let expires = expires.to_string();
        for other in (0..=127_u8).map(char::from).chain(['é', '\u{10ffff}']) {
            let with = |text: &str, at: usize| {
                let mut changed = text.to_owned();
                changed.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
                changed
            };
            for at in 0..text.len() {
                let changed = with(&text, at);
                assert_eq!(keys.read_logged(&changed).is_some(), changed == text, "{at} to {other:?}");
            }
            for at in 0..mac.len() {
                let changed = with(&mac, at);
                let right = keys.verify_link(&file(), &expires, &changed, NOW).is_ok();
                assert_eq!(right, changed == mac, "{at} to {other:?}");
            }
            for at in 0..expires.len() {
                let changed = with(&expires, at);
                let right = keys.verify_link(&file(), &changed, &mac, NOW).is_ok();
                assert_eq!(right, changed == expires, "{at} to {other:?}");
            }
        }
    }

    /// Those that make no text of it are left out: they never get here.
    fn with_a_bit_flipped(text: &str) -> impl Iterator<Item = String> {
        (0..text.len() * 8).filter_map(|bit| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            String::from_utf8(bytes).ok()
        })
    }

    #[test]
    fn s04_a_flipped_bit_is_refused_at_every_position() {
        let (keys, file) = (keys(), file());
        for other in with_a_bit_flipped(&keys.logged(&file)) {
            assert_eq!(keys.read_logged(&other), None, "{other}");
        }
        let signed = keys.sign_link(&file, NOW);
        let expires = signed.expires.to_string();
        let verify = |file: &LinkedFile, expires: &str, mac: &str| keys.verify_link(file, expires, mac, NOW);
        assert_eq!(verify(&file, &expires, &signed.mac), Ok(()));
        let refused = Err(FileLinkError::Invalid);
        for other in with_a_bit_flipped(&signed.mac) {
            assert_eq!(verify(&file, &expires, &other), refused, "{other}");
        }
        for other in with_a_bit_flipped(&expires) {
            assert_eq!(verify(&file, &other, &signed.mac), refused, "{other}");
        }
        for name in with_a_bit_flipped(&file.name) {
            assert_eq!(verify(&LinkedFile { name, ..file.clone() }, &expires, &signed.mac), refused);
        }
        for view in with_a_bit_flipped(&file.view) {
            assert_eq!(verify(&LinkedFile { view, ..file.clone() }, &expires, &signed.mac), refused);
        }
        for other in with_a_bit_flipped(file.conversation.as_str()).filter_map(|id| id.parse().ok()) {
            let file = LinkedFile { conversation: other, ..file.clone() };
            assert_eq!(verify(&file, &expires, &signed.mac), refused);
        }
        for other in with_a_bit_flipped(file.file.as_str()).filter_map(|id| id.parse().ok()) {
            assert_eq!(verify(&LinkedFile { file: other, ..file.clone() }, &expires, &signed.mac), refused);
        }
    }

    #[test]
    fn a_byte_more_or_less_is_refused_at_every_position() {
        let keys = keys();
        let text = keys.logged(&file());
        let LinkSignature { expires, mac } = keys.sign_link(&file(), NOW);
        for at in 0..=text.len() {
            assert_eq!(keys.read_logged(&text[..at]).is_some(), at == text.len(), "cut at {at}");
            assert_eq!(keys.read_logged(&text[at..]).is_some(), at == 0, "cut before {at}");
            for more in ["A", "=", "/", "sig=", "\n", "\0", "%41"] {
                let mut changed = text.clone();
                changed.insert_str(at, more);
                assert_eq!(keys.read_logged(&changed), None, "{more:?} at {at}");
            }
        }
        for changed in [&mac[..mac.len() - 1], &format!("{mac}A"), &format!("{mac}="), ""] {
            let refused = keys.verify_link(&file(), &expires.to_string(), changed, NOW);
            assert_eq!(refused, Err(FileLinkError::Invalid), "{changed}");
        }
    }

    #[test]
    fn a_text_of_the_log_is_no_link_and_a_link_no_text_of_the_log() {
        let keys = keys();
        let text = keys.logged(&file());
        let mac_of_text = text.rsplit_once("sig=").unwrap().1;
        let LinkSignature { expires, mac } = keys.sign_link(&file(), NOW);
        assert!(keys.verify_link(&file(), &expires.to_string(), mac_of_text, NOW).is_err());
        assert_eq!(keys.read_logged(&text.replace(mac_of_text, &mac)), None);
    }

    #[test]
    fn other_keys_open_nothing_and_older_ones_go_on() {
        let text = keys().logged(&file());
        let ring = KeyRing::new(key(7)).rotate(key(8)).unwrap();
        assert_eq!(FileLinkKeys::new(&ring).read_logged(&text), Some(file()));
        assert_ne!(FileLinkKeys::new(&ring).logged(&file()), text, "the newest signs");
        assert_eq!(FileLinkKeys::new(&KeyRing::new(key(8))).read_logged(&text), None);
    }

    #[test]
    fn debug_output_holds_no_key() {
        assert_eq!(format!("{:?}", keys()), "FileLinkKeys { .. }");
    }

    proptest! {
        #[test]
        fn any_name_reads_back_and_needs_no_escape_in_json(name in any::<String>(), until in any::<Option<i64>>()) {
            let file = LinkedFile { name, until: until.map(Timestamp::from_millis), ..file() };
            let text = keys().logged(&file);
            prop_assert!(text.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\<>".contains(&b)), "{text}");
            prop_assert_eq!(keys().read_logged(&text), Some(file));
        }

        #[test]
        fn any_text_is_read_or_not(text in prop_oneof![".*", "landline-file:/[a-z/?&=]{0,40}sig=[a-zA-Z]{22}"]) {
            prop_assert_eq!(keys().read_logged(&text), None);
        }
    }
}
