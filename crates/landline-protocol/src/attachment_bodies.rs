//! What bots send and get where they keep files: `AttachmentData`, `AttachmentInfo`.
//!
//! Source: Bot Framework REST reference, objects `AttachmentData`, `AttachmentInfo`, `AttachmentView`. There the bytes are
//! base64 text, and so most SDKs send them. `@microsoft/agents-hosting` 1.x hands what it was given to `JSON.stringify`,
//! whose spellings of a `Uint8Array` and of a `Buffer` are read too.
//!
//! Not here: how large a file may be (`landline_core`), how a body is kept from filling the memory (`landline-server`).

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::bodies::RequestBodyError;
use crate::json_scan;

/// The body of `POST …/v3/conversations/{conversation}/attachments`. A property that is null counts as absent.
#[derive(Clone, PartialEq, Eq)]
pub struct AttachmentUpload {
    /// `type`: the content type, as the bot says.
    pub content_type: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// `originalBase64`.
    pub original: Vec<u8>,
    /// `thumbnailBase64`; none where it is empty.
    pub thumbnail: Option<Vec<u8>>,
}

/// Without what is in it.
impl fmt::Debug for AttachmentUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachmentUpload").field("bytes", &self.original.len()).finish_non_exhaustive()
    }
}

/// The properties, each as its own JSON text.
#[derive(Deserialize)]
struct Properties<'a> {
    #[serde(rename = "type", borrow)]
    content_type: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(rename = "originalBase64", borrow)]
    original: Option<&'a RawValue>,
    #[serde(rename = "thumbnailBase64", borrow)]
    thumbnail: Option<&'a RawValue>,
}

impl AttachmentUpload {
    /// Reads the body. Takes some milliseconds for each megabyte.
    ///
    /// # Errors
    /// [`RequestBodyError`]; none quotes what was sent.
    pub fn parse(body: &[u8]) -> Result<Self, RequestBodyError> {
        let raw = json_scan::check(body)?;
        if !raw.get().starts_with('{') {
            return Err(json_scan::JsonError::NotAnObject.into());
        }
        let given: Properties<'_> = serde_json::from_str(raw.get())
            .map_err(|error| json_scan::JsonError::Syntax(error.to_string()))?;
        Ok(Self {
            content_type: text("type", given.content_type)?,
            name: text("name", given.name)?,
            original: bytes("originalBase64", given.original)?
                .ok_or(RequestBodyError::Missing("originalBase64"))?,
            thumbnail: bytes("thumbnailBase64", given.thumbnail)?.filter(|bytes| !bytes.is_empty()),
        })
    }
}

fn text(name: &'static str, value: Option<&RawValue>) -> Result<Option<String>, RequestBodyError> {
    let parse = |value: &RawValue| {
        serde_json::from_str(value.get()).map_err(|_| RequestBodyError::bad(name, "must be a text"))
    };
    Ok(value.map(parse).transpose()?.filter(|text: &String| !text.is_empty()))
}

fn bytes(name: &'static str, value: Option<&RawValue>) -> Result<Option<Vec<u8>>, RequestBodyError> {
    let Some(value) = value.map(RawValue::get) else { return Ok(None) };
    let decoded = match value.as_bytes().first() {
        Some(b'"') => decode(&unescaped(value).unwrap_or_default()),
        Some(b'[') => serde_json::from_str(value).ok(),
        Some(b'{') => serde_json::from_str(value).ok().map(|ByteObject(bytes)| bytes),
        _ => None,
    };
    let wrong = || RequestBodyError::bad(name, "must be the bytes of the file as base64 text");
    decoded.map(Some).ok_or_else(wrong)
}

/// What a JSON string says; base64 text is taken as it stands.
fn unescaped(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(inner.into()) }
}

/// Both alphabets, with padding or without, also broken into lines.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut text = Cow::Borrowed(text);
    if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        text.to_mut().retain(|letter| !letter.is_ascii_whitespace());
    }
    let url_safe = text.bytes().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet = if url_safe { &URL_SAFE } else { &STANDARD };
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config).decode(&*text).ok()
}

/// How JavaScript spells bytes: `{"0":137,"1":80,…}`, and Node a `Buffer`: `{"type":"Buffer","data":[137,80,…]}`.
struct ByteObject(Vec<u8>);

impl<'de> Deserialize<'de> for ByteObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = ByteObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ByteObject, A::Error> {
                let wrong = || serde::de::Error::custom("no bytes");
                let mut bytes = Vec::new();
                let mut data = None;
                while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                    match &*key {
                        "type" => drop(map.next_value::<IgnoredAny>()?),
                        "data" if data.is_none() => data = Some(map.next_value::<Vec<u8>>()?),
                        // In the order of the numbers, as the language has it.
                        index if index.parse() == Ok(bytes.len()) => bytes.push(map.next_value()?),
                        _ => return Err(wrong()),
                    }
                }
                match data {
                    None => Ok(ByteObject(bytes)),
                    Some(data) if bytes.is_empty() => Ok(ByteObject(data)),
                    Some(_) => Err(wrong()),
                }
            }
        }

        deserializer.deserialize_map(Bytes)
    }
}

/// The answer to `GET …/v3/attachments/{attachment}`.
#[derive(Debug, Serialize)]
pub struct AttachmentInfoBody {
    /// What it is called.
    pub name: String,
    /// The content type that it is served as.
    #[serde(rename = "type")]
    pub content_type: String,
    /// What there is of it.
    pub views: Vec<AttachmentViewBody>,
}

/// Bytes that can be fetched.
#[derive(Debug, Serialize)]
pub struct AttachmentViewBody {
    /// `original` or `thumbnail`.
    #[serde(rename = "viewId")]
    pub view_id: &'static str,
    /// How many they are.
    pub size: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn original(json: &str) -> Result<Vec<u8>, RequestBodyError> {
        AttachmentUpload::parse(format!(r#"{{"originalBase64":{json}}}"#).as_bytes())
            .map(|read| read.original)
    }

    #[test]
    fn what_sdks_send_is_read() {
        let png = b"\x89PNG\xfb\xff\xfe";
        for sent in [
            // .NET, Java, Python, botbuilder for JavaScript.
            r#""iVBOR/v//g==""#,
            r#""iVBOR/v//g""#,
            r#""iVBOR\/v\/\/g==""#,
            r#""iVBOR/v\u002f/g\u003D\u003d""#,
            r#""iVBOR_v__g==""#,
            r#""iVBOR_v__g""#,
            r#""iVBO\r\nR/v//g==\n""#,
            // agents-hosting for JavaScript.
            r#"{"0":137,"1":80,"2":78,"3":71,"4":251,"5":255,"6":254}"#,
            r#"{"type":"Buffer","data":[137,80,78,71,251,255,254]}"#,
            "[137,80,78,71,251,255,254]",
        ] {
            assert_eq!(original(sent).as_deref(), Ok(&png[..]), "{sent}");
        }
        for empty in [r#""""#, "{}", "[]", r#"{"type":"Buffer","data":[]}"#] {
            assert_eq!(original(empty).as_deref(), Ok(&b""[..]), "{empty}");
        }
    }

    #[test]
    fn properties_may_be_absent_or_null_but_the_bytes() {
        let read = AttachmentUpload::parse(
            br#"{"type":"image/png","name":"a b.png","originalBase64":"AQID","thumbnailBase64":"BA==","more":[1]}"#,
        );
        let whole = AttachmentUpload {
            content_type: Some("image/png".into()),
            name: Some("a b.png".into()),
            original: vec![1, 2, 3],
            thumbnail: Some(vec![4]),
        };
        assert_eq!(read, Ok(whole.clone()));
        assert!(!format!("{whole:?}").contains("a b.png"));
        let bare = AttachmentUpload { content_type: None, name: None, thumbnail: None, ..whole };
        for body in [
            r#"{"originalBase64":"AQID"}"#,
            r#"{"type":null,"name":null,"originalBase64":"AQID","thumbnailBase64":null}"#,
            r#"{"type":"","name":"","originalBase64":"AQID","thumbnailBase64":""}"#,
        ] {
            assert_eq!(AttachmentUpload::parse(body.as_bytes()), Ok(bare.clone()), "{body}");
        }
        for body in ["{}", r#"{"originalBase64":null}"#, r#"{"name":"x"}"#] {
            let missing = RequestBodyError::Missing("originalBase64");
            assert_eq!(AttachmentUpload::parse(body.as_bytes()), Err(missing), "{body}");
        }
    }

    #[test]
    fn what_are_no_bytes_is_refused_and_not_quoted() {
        for bad in [
            r#""canary!""#,
            r#""A""#,
            r#""AA=A""#,
            r#""-/AA""#,
            r#""AQ==AQ==""#,
            "7",
            "true",
            "[256]",
            "[-1]",
            r#"["canary"]"#,
            r#"{"0":1,"2":2}"#,
            r#"{"1":1}"#,
            r#"{"0":256}"#,
            r#"{"canary":1}"#,
            r#"{"0":1,"data":[1]}"#,
            r#"{"data":[1],"data":[1]}"#,
        ] {
            let error = original(bad).unwrap_err();
            assert!(
                matches!(error, RequestBodyError::Bad { property: "originalBase64", .. }),
                "{bad}: {error}"
            );
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        for bad in ["", "[]", "null", r#"{"originalBase64":"AQ==","originalBase64":"AQ=="}"#] {
            let error = AttachmentUpload::parse(bad.as_bytes()).unwrap_err();
            assert!(matches!(error, RequestBodyError::Json(_)), "{bad}: {error}");
        }
        for bad in [r#"{"name":7,"originalBase64":""}"#, r#"{"type":{},"originalBase64":""}"#] {
            let error = AttachmentUpload::parse(bad.as_bytes()).unwrap_err();
            assert!(matches!(error, RequestBodyError::Bad { .. }), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = AttachmentUpload::parse(&bytes);
        }

        #[test]
        fn every_spelling_of_the_same_bytes_is_the_same(bytes: Vec<u8>) {
            use base64::prelude::*;
            let numbers = serde_json::to_string(&bytes).unwrap();
            let by_index: Vec<_> = bytes.iter().enumerate().map(|(at, byte)| format!("\"{at}\":{byte}")).collect();
            for sent in [
                format!("\"{}\"", BASE64_STANDARD.encode(&bytes)),
                format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&bytes)),
                format!("{{\"type\":\"Buffer\",\"data\":{numbers}}}"),
                format!("{{{}}}", by_index.join(",")),
            ] {
                prop_assert_eq!(original(&sent), Ok(bytes.clone()), "{}", sent);
            }
        }
    }
}
