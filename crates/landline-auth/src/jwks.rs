//! Published keys: ours as bots fetch them, and those of others as we fetch them.
//!
//! Source: RFC 7517 (JSON Web Key); `endorsements` is the Bot Framework's own: SDKs refuse a key that does not
//! endorse the channel of the activity.
//!
//! Not here: fetching (`landline-server`).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits::{MAX_JWKS_KEYS, MAX_KEY_ID_BYTES};
use crate::rsa_key::RsaKey;

/// Whom our keys may speak for: the channels of the activities that we send.
const ENDORSEMENTS: [&str; 2] = ["directline", "webchat"];

/// Our keys, as JSON for bots: `{"keys":[…]}`.
#[derive(Clone, Debug, Serialize)]
pub struct PublishedKeys {
    keys: Vec<PublishedKey>,
}

#[derive(Clone, Debug, Serialize)]
struct PublishedKey {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
    n: String,
    e: String,
    endorsements: [&'static str; 2],
}

impl PublishedKeys {
    pub(crate) fn of<'a>(keys: impl Iterator<Item = &'a RsaKey>) -> Self {
        let published = |key: &RsaKey| PublishedKey {
            kty: "RSA",
            usage: "sig",
            alg: "RS256",
            kid: key.id().to_owned(),
            n: key.modulus().to_owned(),
            e: key.exponent().to_owned(),
            endorsements: ENDORSEMENTS,
        };
        Self { keys: keys.map(published).collect() }
    }
}

/// Keys that verify signatures, by `kid`.
#[derive(Clone, Default)]
pub struct JwkSet {
    keys: Vec<(Box<str>, Arc<ParsedPublicKey>)>,
}

/// Why a text is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJwks {
    /// Not the JSON of a key set.
    #[error("not a JSON Web Key Set")]
    Malformed,
    /// Whoever publishes that many publishes something else.
    #[error("a key set of {actual} keys, the limit is {MAX_JWKS_KEYS}")]
    TooMany {
        /// How many there are.
        actual: usize,
    },
    /// It would verify nothing.
    #[error("a key set without an RSA key of 2048 to 8192 bits for signatures")]
    NoUsableKey,
}

#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    n: String,
    e: String,
}

impl JwkSet {
    /// Reads what an issuer publishes. Keys that cannot verify RS256 are passed over, whatever they look like; of two
    /// with one `kid`, the first counts.
    ///
    /// # Errors
    /// [`InvalidJwks`]; none quotes what was read.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidJwks> {
        let set: Set<'_> = serde_json::from_slice(json).map_err(|_| InvalidJwks::Malformed)?;
        if set.keys.len() > MAX_JWKS_KEYS {
            return Err(InvalidJwks::TooMany { actual: set.keys.len() });
        }
        let keys: Vec<_> = set.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() { Err(InvalidJwks::NoUsableKey) } else { Ok(Self { keys }) }
    }

    pub(crate) fn of<'a>(keys: impl Iterator<Item = &'a RsaKey>) -> Self {
        Self { keys: keys.map(|key| (key.id().into(), Arc::clone(key.public()))).collect() }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True when there is none, so that every `kid` is unknown.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&ParsedPublicKey> {
        self.keys.iter().find(|(known, _)| **known == *kid).map(|(_, key)| &**key)
    }
}

fn usable(key: &RawValue) -> Option<(Box<str>, Arc<ParsedPublicKey>)> {
    let jwk: Jwk = serde_json::from_str(key.get()).ok()?;
    let signs = jwk.usage.is_none_or(|usage| usage == "sig") && jwk.alg.is_none_or(|alg| alg == "RS256");
    if jwk.kty != "RSA" || !signs || jwk.kid.is_empty() || jwk.kid.len() > MAX_KEY_ID_BYTES {
        return None;
    }
    Some((jwk.kid.into(), parse(&jwk.n, &jwk.e)?))
}

fn parse(n: &str, e: &str) -> Option<Arc<ParsedPublicKey>> {
    let (n, e) = (number(n)?, number(e)?);
    // The library looks at the size only where it verifies.
    if !(256..=1024).contains(&n.len()) {
        return None;
    }
    PublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok().map(Arc::new)
}

/// A number in base64url. Some issuers pad it, or put a zero before it.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let number = bytes.get(zeros..)?;
    (!number.is_empty()).then(|| number.to_vec())
}

impl fmt::Debug for JwkSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(kid, _)| kid)).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::test_keys::{SMALL, key};

    fn published() -> Value {
        serde_json::to_value(PublishedKeys::of([key(0), key(1)].iter())).unwrap()
    }

    #[test]
    fn what_bots_read_of_a_key() {
        let first = &published()["keys"][0];
        let members: Vec<_> = first.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "e", "endorsements", "kid", "kty", "n", "use"]);
        assert_eq!(first["kty"], "RSA");
        assert_eq!(first["use"], "sig");
        assert_eq!(first["alg"], "RS256");
        assert_eq!(first["e"], "AQAB");
        assert_eq!(first["kid"], key(0).id());
        assert_eq!(first["endorsements"], json!(["directline", "webchat"]));
    }

    #[test]
    fn what_is_published_reads_back() {
        let set = JwkSet::from_json(published().to_string().as_bytes()).unwrap();
        assert_eq!(set.len(), 2);
        for number in 0..2 {
            let known = set.get(key(number).id()).unwrap();
            let signature = key(number).sign(b"a").unwrap();
            assert!(known.verify_sig(b"a", &signature).is_ok());
            assert!(known.verify_sig(b"b", &signature).is_err());
        }
        assert!(set.get("").is_none() && set.get(key(2).id()).is_none());
    }

    /// The keys of Entra ID have no `alg` and more members than we know; some issuers pad numbers.
    #[test]
    fn keys_of_others() {
        let mut entra = published()["keys"][0].clone();
        for (name, value) in
            [("x5t", json!("x")), ("x5c", json!(["MII"])), ("issuer", json!("https://login.example"))]
        {
            entra[name] = value;
        }
        entra.as_object_mut().unwrap().remove("alg");
        check(&entra, true);
        check(&with("use", Value::Null), true);
        check(&with("n", json!(format!("{}==", key(0).modulus()))), true);
        let zero = [&[0], &*URL_SAFE_NO_PAD.decode(key(0).modulus()).unwrap()].concat();
        check(&with("n", json!(URL_SAFE_NO_PAD.encode(zero))), true);

        check(&with("use", json!("enc")), false);
        check(&with("alg", json!("HS256")), false);
        check(&with("alg", json!("RSA-OAEP")), false);
        check(&with("kty", json!("EC")), false);
        check(&with("kty", json!("oct")), false);
        check(&with("kid", json!("")), false);
        check(&with("kid", json!("k".repeat(MAX_KEY_ID_BYTES + 1))), false);
        check(&with("kid", Value::Null), false);
        check(&with("kid", json!(7)), false);
        check(&with("n", json!("")), false);
        check(&with("n", json!("AAAA")), false);
        check(&with("n", json!("not base64!")), false);
        check(&with("n", json!(URL_SAFE_NO_PAD.encode(vec![0xff; 1025]))), false);
        check(&with("e", json!("")), false);
        check(&with("e", json!("AA")), false);
        let small = aws_lc_rs::rsa::KeyPair::from_pkcs8(SMALL);
        assert!(small.is_err(), "the library takes no private key of 1024 bits");
        check(&with("n", json!(URL_SAFE_NO_PAD.encode(vec![0xff; 128]))), false);
        check(&json!("a text"), false);
        check(&json!(null), false);
    }

    fn with(name: &str, value: Value) -> Value {
        let mut key = published()["keys"][0].clone();
        key[name] = value;
        key
    }

    #[track_caller]
    fn check(jwk: &Value, usable: bool) {
        let alone = JwkSet::from_json(json!({"keys": [jwk]}).to_string().as_bytes());
        let refused = (!usable).then_some(InvalidJwks::NoUsableKey);
        assert_eq!(alone.err(), refused, "{jwk}");
        // One that cannot be used spoils none that can.
        let beside = json!({"keys": [jwk, published()["keys"][1]]}).to_string();
        let set = JwkSet::from_json(beside.as_bytes()).unwrap();
        assert_eq!(set.len(), 1 + usize::from(usable), "{jwk}");
        assert!(set.get(key(1).id()).is_some());
    }

    #[test]
    fn what_is_no_key_set() {
        for text in ["", "null", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":"x"}"#, "<html>", "\u{feff}{}"] {
            assert_eq!(JwkSet::from_json(text.as_bytes()).err(), Some(InvalidJwks::Malformed), "{text}");
        }
        assert_eq!(JwkSet::from_json(br#"{"keys":[]}"#).err(), Some(InvalidJwks::NoUsableKey));
        let many = json!({"keys": vec![published()["keys"][0].clone(); MAX_JWKS_KEYS + 1]}).to_string();
        let refused = InvalidJwks::TooMany { actual: MAX_JWKS_KEYS + 1 };
        assert_eq!(JwkSet::from_json(many.as_bytes()).err(), Some(refused));
    }

    #[test]
    fn of_two_keys_with_one_id_the_first_counts() {
        let (mut one, mut two) = (published()["keys"][0].clone(), published()["keys"][1].clone());
        one["kid"] = json!("same");
        two["kid"] = json!("same");
        let set = JwkSet::from_json(json!({"keys": [one, two]}).to_string().as_bytes()).unwrap();
        let verifies = |number| set.get("same").unwrap().verify_sig(b"a", &key(number).sign(b"a").unwrap());
        assert!(verifies(0).is_ok() && verifies(1).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_key_set_or_not(bytes: Vec<u8>, text in "\\{\"keys\":\\[(\\{\"(kty|kid|n|e)\":(\"RSA\"|1|null)\\},?){0,3}\\]\\}") {
            prop_assert!(JwkSet::from_json(&bytes).is_err());
            prop_assert!(JwkSet::from_json(text.as_bytes()).is_err());
        }
    }
}
