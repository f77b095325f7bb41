//! Secrets as text, wiped from memory when they are dropped: what an owner puts into a configuration, and a client or a bot into a header.
//!
//! Each is a text of the owner's choice, or one made here. One made here is a prefix (`lls_` for a site, `llb_` for a
//! bot, `lla_` for the admin API), then 256 random bits in 43 letters and digits, then six check digits, so that secret scanners find it in
//! places where it should not be, and a slip of the pen is told apart from another secret.
//!
//! Not here: what is kept of a secret, and how it is compared (`secret.rs`).

use std::fmt;
use std::marker::PhantomData;

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::{Zeroize, Zeroizing};

use crate::limits::{MAX_SECRET_CHARS, MIN_SECRET_CHARS};
use crate::secret::SecretDigest;

/// Letters and digits that hold 256 bits: 62 to the power of 43 is a little more than two to the power of 256.
const BODY_CHARS: usize = 43;

/// Letters and digits that hold the 32 bits of the check.
const CHECK_CHARS: usize = 6;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Whose secret it is.
pub trait SecretOwner {
    /// What every secret of this kind that was made here begins with: four characters.
    const PREFIX: &'static str;
    /// What debug output shows instead of the text.
    const REDACTED: &'static str;
}

/// Owns a [`SiteSecret`].
#[derive(Clone, Copy, Debug)]
pub enum OfSite {}

/// Owns a [`BotCredential`].
#[derive(Clone, Copy, Debug)]
pub enum OfBot {}

/// Owns an [`AdminToken`].
#[derive(Clone, Copy, Debug)]
pub enum OfAdmin {}

impl SecretOwner for OfSite {
    const PREFIX: &'static str = "lls_";
    const REDACTED: &'static str = "SiteSecret(redacted)";
}

impl SecretOwner for OfBot {
    const PREFIX: &'static str = "llb_";
    const REDACTED: &'static str = "BotCredential(redacted)";
}

impl SecretOwner for OfAdmin {
    const PREFIX: &'static str = "lla_";
    const REDACTED: &'static str = "AdminToken(redacted)";
}

/// What opens the admin API, where it was made here.
pub type AdminToken = SecretText<OfAdmin>;

/// The secret of a site. Whoever has it opens every conversation of the site.
pub type SiteSecret = SecretText<OfSite>;

/// The credential of a bot: its `X-IDENTITY-HEADER` where it asks as an App Service does, its `client_secret` where it
/// asks by OAuth 2. Whoever has it gets tokens of the bot.
pub type BotCredential = SecretText<OfBot>;

/// A secret, as text.
pub struct SecretText<O>(Box<str>, PhantomData<O>);

/// Why a text cannot be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    /// Easily guessed, or cut off when it was copied.
    #[error(
        "the secret has {actual} characters, at least {MIN_SECRET_CHARS} are needed; leave it out to have one made"
    )]
    TooShort {
        /// How many it has.
        actual: usize,
    },
    /// No client could send it.
    #[error("the secret has {actual} characters, at most {MAX_SECRET_CHARS} are allowed")]
    TooLong {
        /// How many it has.
        actual: usize,
    },
    /// Mostly the line end of a file; cutting it off silently would make two spellings of one secret.
    #[error("the secret begins or ends with white space; remove it (a file must end without a line break)")]
    SurroundingSpace,
    /// No client could send it in a header.
    #[error("the secret may hold only visible ASCII characters: letters, digits and punctuation, no spaces")]
    NotVisible,
    /// It looks like one that was made here, and the check digits say that it is not.
    #[error("the secret begins with {prefix:?} but its check digits are wrong; copy it again")]
    Mistyped {
        /// What it begins with.
        prefix: &'static str,
    },
}

impl<O: SecretOwner> SecretText<O> {
    /// The fewest characters that a secret has.
    pub const MIN_CHARS: usize = MIN_SECRET_CHARS;

    /// Takes a text of the owner's choice.
    ///
    /// # Errors
    /// [`WeakSecret`] for what is not 32 to 512 visible ASCII characters.
    pub fn from_text(text: &str) -> Result<Self, WeakSecret> {
        if text.trim() != text {
            return Err(WeakSecret::SurroundingSpace);
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(WeakSecret::NotVisible);
        }
        match text.len() {
            actual if actual < MIN_SECRET_CHARS => Err(WeakSecret::TooShort { actual }),
            actual if actual > MAX_SECRET_CHARS => Err(WeakSecret::TooLong { actual }),
            _ if is_mistyped(O::PREFIX, text) => Err(WeakSecret::Mistyped { prefix: O::PREFIX }),
            _ => Ok(Self(text.into(), PhantomData)),
        }
    }

    /// Makes a secret of 256 random bits.
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        // Of its full size at once: growing would leave a copy behind.
        let mut text = String::with_capacity(O::PREFIX.len() + BODY_CHARS + CHECK_CHARS);
        text.push_str(O::PREFIX);
        text.push_str(&Zeroizing::new(base62::<BODY_CHARS>(bytes)));
        let check = check_digits(&text);
        text.push_str(&check);
        Self(text.into(), PhantomData)
    }

    /// What the registry keeps of it.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(&self.0)
    }

    /// The text itself, to be shown once to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<O> Drop for SecretText<O> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<O> Clone for SecretText<O> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<O: SecretOwner> fmt::Debug for SecretText<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(O::REDACTED)
    }
}

/// True for a text of the form of our own secrets whose check digits are not those of its body.
fn is_mistyped(prefix: &str, text: &str) -> bool {
    let ours = text.len() == prefix.len() + BODY_CHARS + CHECK_CHARS
        && text.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric()));
    let (head, check) = text.split_at_checked(text.len().saturating_sub(CHECK_CHARS)).unwrap_or((text, ""));
    ours && check_digits(head) != check
}

fn check_digits(head: &str) -> String {
    base62::<CHECK_CHARS>(digest(&SHA256, head.as_bytes()).as_ref().get(..4).unwrap_or_default())
}

/// The number that these bytes are (the first is the highest), in `CHARS` digits to the base of 62.
fn base62<const CHARS: usize>(bytes: &[u8]) -> String {
    let mut number = Zeroizing::new(bytes.to_vec());
    let mut digits = Zeroizing::new([0_u8; CHARS]);
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u16;
        for byte in number.iter_mut() {
            let dividend = rest << 8 | u16::from(*byte);
            *byte = low_byte(dividend / 62);
            rest = dividend % 62;
        }
        *digit = low_byte(rest);
    }
    let letters =
        digits.iter().filter_map(|digit| ALPHABET.get(usize::from(*digit))).copied().map(char::from);
    let mut text = String::with_capacity(CHARS);
    text.extend(letters);
    text
}

/// Both uses are below 256: a rest is below 62, and a quotient below 256 because the rest before it was below 62.
fn low_byte(number: u16) -> u8 {
    number.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_of_the_owners_choice() {
        check(&"x".repeat(32), None);
        check(&"x".repeat(512), None);
        check("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", None);
        check(&"x".repeat(31), Some(WeakSecret::TooShort { actual: 31 }));
        check(&"x".repeat(513), Some(WeakSecret::TooLong { actual: 513 }));
        check("", Some(WeakSecret::TooShort { actual: 0 }));
        for space in [" ", "\n", "\r\n", "\t", "\u{a0}"] {
            check(&format!("{}{space}", "x".repeat(40)), Some(WeakSecret::SurroundingSpace));
            check(&format!("{space}{}", "x".repeat(40)), Some(WeakSecret::SurroundingSpace));
            check(&format!("{0}{space}{0}", "x".repeat(40)), Some(WeakSecret::NotVisible));
        }
        check(&"é".repeat(40), Some(WeakSecret::NotVisible));
        check(&"\0".repeat(40), Some(WeakSecret::NotVisible));
        check(&format!("lls_{}", "a".repeat(49)), Some(WeakSecret::Mistyped { prefix: "lls_" }));
        check(&format!("lls_{}", "a".repeat(48)), None);
        check(&format!("lls_{}", "-".repeat(49)), None);
    }

    #[track_caller]
    fn check(text: &str, expected: Option<WeakSecret>) {
        assert_eq!(SiteSecret::from_text(text).err(), expected, "{text:?}");
    }

    #[test]
    fn the_smallest_and_the_largest_random_secret() {
        let zero = SiteSecret::from_random(&[0; 32]);
        assert!(zero.expose().starts_with(&format!("lls_{}", "0".repeat(43))));
        // Two to the power of 256, less one, to the base of 62: every bit found its place.
        let most = SiteSecret::from_random(&[255; 32]);
        let value = most.expose()[4..47].bytes().fold([0_u8; 32], |number, letter| {
            let digit = ALPHABET.iter().position(|a| *a == letter).unwrap();
            let mut carry = digit;
            let mut next = number;
            for byte in next.iter_mut().rev() {
                let sum = usize::from(*byte) * 62 + carry;
                *byte = u8::try_from(sum % 256).unwrap();
                carry = sum / 256;
            }
            assert_eq!(carry, 0);
            next
        });
        assert_eq!(value, [255; 32]);
    }

    #[test]
    fn a_credential_of_a_bot_is_told_from_a_secret_of_a_site() {
        let credential = BotCredential::from_random(&[7; 32]);
        let text = credential.expose();
        assert!(text.starts_with("llb_"), "{text}");
        assert_eq!(text.len(), SiteSecret::from_random(&[7; 32]).expose().len());
        assert_eq!(BotCredential::from_text(text).unwrap().digest(), credential.digest());
        let mistyped = format!("llb_{}", "a".repeat(49));
        let refused = BotCredential::from_text(&mistyped).err();
        assert_eq!(refused, Some(WeakSecret::Mistyped { prefix: "llb_" }));
        assert_eq!(format!("{credential:?}"), "BotCredential(redacted)");
    }

    #[test]
    fn a_token_of_the_admin_api_is_told_from_both() {
        let token = AdminToken::from_random(&[7; 32]);
        assert!(token.expose().starts_with("lla_"));
        let as_configured = SiteSecret::from_text(token.expose()).unwrap();
        assert_eq!(as_configured.digest(), token.digest());
        assert_eq!(format!("{token:?}"), "AdminToken(redacted)");
    }

    /// Computed with other means than this crate. Scanners know this form, so it does not change.
    #[test]
    fn a_known_secret() {
        let bytes = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let text = "lls_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf1HDL42";
        assert_eq!(SiteSecret::from_random(&bytes).expose(), text);
    }

    #[test]
    fn debug_output_holds_nothing_of_it() {
        assert_eq!(format!("{:?}", SiteSecret::from_random(&[7; 32])), "SiteSecret(redacted)");
    }

    proptest! {
        #[test]
        fn what_was_made_here_can_be_configured(bytes: [u8; 32]) {
            let secret = SiteSecret::from_random(&bytes);
            prop_assert_eq!(secret.expose().len(), OfSite::PREFIX.len() + BODY_CHARS + CHECK_CHARS);
            let again = SiteSecret::from_text(secret.expose()).unwrap();
            prop_assert_eq!(again.digest(), secret.digest());
        }

        #[test]
        fn one_wrong_letter_is_noticed(bytes: [u8; 32], at in 4_usize..53, to in "[0-9A-Za-z]") {
            let secret = SiteSecret::from_random(&bytes);
            let mut text = secret.expose().to_owned();
            text.replace_range(at..=at, &to);
            prop_assert_eq!(SiteSecret::from_text(&text).is_ok(), text == secret.expose());
        }

        #[test]
        fn different_bits_make_different_secrets(a: [u8; 32], b: [u8; 32]) {
            let (one, two) = (SiteSecret::from_random(&a), SiteSecret::from_random(&b));
            prop_assert_eq!(one.expose() == two.expose(), a == b);
        }

        #[test]
        fn any_text_is_taken_or_refused_and_never_quoted(text in ".{1,600}") {
            match SiteSecret::from_text(&text) {
                Ok(secret) => prop_assert_eq!(secret.expose(), text),
                Err(refused) if text.len() > 8 => prop_assert!(!refused.to_string().contains(&text)),
                Err(_) => {}
            }
        }
    }
}
