//! Everywhere a secret, a token or a link is compared with what somebody shows: whether the time tells how much of it
//! was right.
//!
//! In each, the first class is wrong in the first byte of what is compared, and the second in the last one. A comparison
//! that stops at the first difference takes longer for the second.
//!
//! What is looked up, and not compared, is public: a token names its key, and a link its conversation. Secrets are not
//! looked up by what is shown: it is hashed, and the hash is compared with those of all sites, one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landline_auth::{
    ClientToken, DatedDigest, FileLinkKeys, KeyRing, LinkedFile, SecretDigest, SecretPair, SiteSecret,
    StreamTicket, TokenKey,
};
use landline_protocol::{Position, SiteName, Timestamp};
use landline_server::directory::{ManagedBy, Site, Snapshot};

use crate::timing::{Class, Measured, measure};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_120);

/// Sites of the directory in which a secret is looked for.
const SITES: usize = 20;

/// A comparison, by name. Takes how many samples, and a seed.
pub type Comparison = (&'static str, fn(usize, u64) -> Measured);

/// All of them.
pub const COMPARISONS: [Comparison; 5] = [
    ("secret", secret),
    ("secret among all sites", secret_of_any_site),
    ("token", token),
    ("stream ticket", ticket),
    ("link to a file", link),
];

/// One that stops at the first difference: what the others must not be. For the test of the test.
pub fn leaky(samples: usize, seed: u64) -> Measured {
    let right = *digest_bytes();
    let mut state = (right, right);
    measure(
        samples,
        seed,
        &mut state,
        |(_, shown), class| {
            *shown = right;
            shown[at(class, right.len())] ^= 1;
        },
        |(right, shown)| right.iter().zip(shown).all(|(one, other)| std::hint::black_box(one == other)),
    )
}

fn digest_bytes() -> &'static [u8; 32] {
    b"\x17\xa0\x33\xc5\x01\x9e\x77\x40\x8d\x2b\xee\x61\x0c\x54\xd9\xf3\x28\x86\xb1\x4a\x95\x7d\x3e\xc0\x12\xaf\x68\xd4\x59\xeb\x06\x72"
}

fn at(class: Class, length: usize) -> usize {
    match class {
        Class::First => 0,
        Class::Last => length - 1,
    }
}

/// A digest that differs from this one in a digit at one of its ends.
fn wrong(digest: &SecretDigest, class: Class) -> SecretDigest {
    let mut text = digest.to_string().into_bytes();
    let digit = &mut text[at(class, 64)];
    *digit = if *digit == b'0' { b'1' } else { b'0' };
    String::from_utf8(text).expect("digits").parse().expect("a digest")
}

fn shown_secret() -> SiteSecret {
    SiteSecret::from_random(&[9; 32])
}

fn secret(samples: usize, seed: u64) -> Measured {
    let shown = shown_secret();
    let digest = shown.digest();
    let wrong = [Class::First, Class::Last].map(|class| wrong(&digest, class));
    let mut state = SecretPair { first: Some(digest), second: None };
    measure(
        samples,
        seed,
        &mut state,
        |pair, class| pair.first = Some(wrong[usize::from(class == Class::Last)]),
        |pair| pair.accepts(shown.expose()),
    )
}

fn site(number: usize) -> (SiteName, Arc<Site>) {
    let name: SiteName = format!("site{number}").parse().expect("a name");
    let secrets = SecretPair::<DatedDigest> { first: Some(shown_secret().digest().into()), second: None };
    let site = Site {
        name: name.clone(),
        bot: "main".parse().expect("a name"),
        secrets,
        token_lifetime: Duration::from_secs(1800),
        empty_watermark_is_history: true,
        enhanced: Default::default(),
        rates: Default::default(),
        retention: Duration::from_secs(86_400),
        files: None,
        created: None,
        managed_by: ManagedBy::Registry,
    };
    (name, Arc::new(site))
}

fn secret_of_any_site(samples: usize, seed: u64) -> Measured {
    let shown = shown_secret();
    let digest = shown.digest();
    let wrong = [Class::First, Class::Last].map(|class| wrong(&digest, class));
    let sites: BTreeMap<_, _> = (0..SITES).map(site).collect();
    let mut state = Snapshot { sites, ..Snapshot::default() };
    measure(
        samples,
        seed,
        &mut state,
        |snapshot, class| {
            for site in snapshot.sites.values_mut() {
                let site = Arc::get_mut(site).expect("nobody else has it");
                site.secrets.first = Some(wrong[usize::from(class == Class::Last)].into());
            }
        },
        |snapshot| snapshot.site_by_secret(shown.expose()).is_some(),
    )
}

fn ring() -> KeyRing {
    KeyRing::new(TokenKey::from_random(&[7; 32]))
}

/// Verifies what was signed here, with a byte of its signature changed.
fn signed(samples: usize, seed: u64, text: &str, verify: impl Fn(&str) -> bool) -> Measured {
    assert!(verify(text), "what is to be forged is right");
    let (said, signature) = text.rsplit_once('.').expect("a signature");
    let right = URL_SAFE_NO_PAD.decode(signature).expect("a signature");
    let with = |class: Class| {
        let mut bytes = right.clone();
        bytes[at(class, right.len())] ^= 4;
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(bytes))
    };
    let wrong = [with(Class::First), with(Class::Last)];
    assert!(wrong.iter().all(|text| !verify(text)));
    let mut state = text.to_owned();
    measure(
        samples,
        seed,
        &mut state,
        |state, class| {
            // Into the memory that is there.
            state.clear();
            state.push_str(&wrong[usize::from(class == Class::Last)]);
        },
        |state| verify(state),
    )
}

fn token(samples: usize, seed: u64) -> Measured {
    let ring = ring();
    let token = ClientToken {
        site: "default".parse().expect("a name"),
        bot: "main".parse().expect("a name"),
        conversation: "0123456789ABCDEFGHIJKL".parse().expect("an id"),
        user: None,
        trusted_origins: Vec::new(),
        issued_at: NOW,
        expires: NOW.plus(Duration::from_secs(1800)),
        id: "0123456789abcdef".to_owned(),
    };
    let text = token.sign(&ring, NOW).expect("a token");
    signed(samples, seed, &text, |text| ClientToken::verify(text, &ring, NOW).is_ok())
}

fn ticket(samples: usize, seed: u64) -> Measured {
    let ring = ring();
    let ticket = StreamTicket {
        site: "default".parse().expect("a name"),
        conversation: "0123456789ABCDEFGHIJKL".parse().expect("an id"),
        start: Position::START,
        user: None,
        trusted_origins: Vec::new(),
        expires: NOW.plus(Duration::from_secs(60)),
        id: "0123456789abcdef".to_owned(),
    };
    let text = ticket.sign(&ring, NOW).expect("a ticket");
    signed(samples, seed, &text, |text| StreamTicket::verify(text, &ring, NOW).is_ok())
}

fn link(samples: usize, seed: u64) -> Measured {
    let keys = FileLinkKeys::new(&ring());
    let file = LinkedFile {
        conversation: "0123456789ABCDEFGHIJKL".parse().expect("an id"),
        file: "abcdefghijklmnopqrstuv".parse().expect("an id"),
        view: "original".into(),
        name: "cat.png".into(),
        until: None,
    };
    let link = keys.sign_link(&file, NOW);
    let expires = link.expires.to_string();
    assert_eq!(keys.verify_link(&file, &expires, &link.mac, NOW), Ok(()));
    let mut state = link.mac.clone();
    measure(
        samples,
        seed,
        &mut state,
        |state, class| {
            let mut bytes = link.mac.clone().into_bytes();
            let byte = &mut bytes[at(class, link.mac.len())];
            *byte = if *byte == b'A' { b'E' } else { b'A' };
            state.clear();
            state.push_str(std::str::from_utf8(&bytes).expect("letters"));
        },
        |state| keys.verify_link(&file, &expires, state, NOW).is_ok(),
    )
}
