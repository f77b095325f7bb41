//! The small pictures that clients send as text, inside an activity, beside the files that they are of.
//!
//! Source: stock Web Chat makes one of each image and puts it into `thumbnailUrl` of the attachment, as a `data:` URI of up
//! to some 65 KB. A few of them make an activity that stock bots refuse, whose servers take bodies of 100 kB. So each is
//! kept like the file, and a link stands in its place.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use landline_protocol::{Activity, RawObject};

use super::merge::{Attachment, declared, waiting};
use super::{KIND_BYTES, is_shown_inline, served_type};

/// A picture that was sent as text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// Which of the files it is of.
    pub(super) of: usize,
    /// The type that it is served as.
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

/// The pictures that an activity brings of files with these names, which are to become its attachments.
pub(super) fn pictures<'a>(
    activity: &Activity,
    names: impl Iterator<Item = Option<&'a str>>,
) -> Vec<Picture> {
    // What is wrong with the attachments is told when they are filled.
    let Ok(mut attachments) = declared(activity) else { return Vec::new() };
    let named = names.enumerate().filter_map(|(of, name)| Some((of, name?)));
    let pictures = named.filter_map(|(of, name)| picture(of, name, &mut attachments));
    pictures.collect()
}

fn picture(of: usize, name: &str, attachments: &mut [Attachment]) -> Option<Picture> {
    let attachment = waiting(attachments, name)?;
    let text = thumbnail_text(attachment);
    // The next file of this name is the content of the next attachment.
    attachment.set_text("contentUrl", "taken");
    let (content_type, bytes) = read(&text?)?;
    Some(Picture { of, content_type, bytes })
}

/// The thumbnail of an attachment, where it is text that holds the picture itself.
pub(super) fn thumbnail_text(attachment: &RawObject) -> Option<String> {
    attachment
        .text("thumbnailUrl")
        .filter(|url| url.get(..5).is_some_and(|s| s.eq_ignore_ascii_case("data:")))
}

/// What `data:image/png;base64,…` holds; `None` where it is anything else than a picture that browsers show.
fn read(uri: &str) -> Option<(String, Bytes)> {
    let (head, data) = uri.get(5..)?.split_once(',')?;
    let kind = head.strip_suffix(";base64")?;
    let bytes = STANDARD.decode(data).ok()?;
    let first_bytes = bytes.get(..bytes.len().min(KIND_BYTES))?;
    let content_type = served_type(Some(kind), first_bytes).into_owned();
    is_shown_inline(&content_type).then(|| (content_type, bytes.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

    fn uri(kind: &str, bytes: &[u8]) -> String {
        format!("data:{kind};base64,{}", STANDARD.encode(bytes))
    }

    fn of(attachments: &Value, names: &[&str]) -> Vec<usize> {
        let activity = json!({"type": "message", "attachments": attachments}).to_string();
        let activity = Activity::parse(activity.as_bytes()).unwrap();
        pictures(&activity, names.iter().map(|name| Some(*name))).iter().map(|found| found.of).collect()
    }

    #[test]
    fn each_file_gets_the_picture_of_the_attachment_that_it_becomes() {
        let a = |name: &str| json!({"name": name, "thumbnailUrl": uri("image/png", PNG)});
        assert_eq!(of(&json!([a("a"), a("b")]), &["b", "c", "a"]), [0, 2]);
        assert_eq!(of(&json!([a("a"), {"name": "a"}]), &["a", "a"]), [0]);
        assert_eq!(of(&json!([{"name": "a"}, a("a")]), &["a", "a"]), [1]);
        assert_eq!(
            of(&json!([{"name": "a", "contentUrl": "x", "thumbnailUrl": uri("image/png", PNG)}]), &["a"]),
            [0; 0]
        );
        assert_eq!(of(&json!("no list"), &["a"]), [0; 0]);
        assert_eq!(of(&json!(null), &["a"]), [0; 0]);
    }

    #[test]
    fn only_pictures_that_browsers_show_are_read() {
        assert_eq!(read(&uri("image/png", PNG)), Some(("image/png".to_owned(), PNG.into())));
        let upper = uri("image/png", PNG).replace("data:", "DATA:");
        assert!(read(&upper).is_some());
        for other in [
            uri("image/svg+xml", b"<svg/>"),
            uri("text/html", b"<html>"),
            uri("image/png", b"<html>"),
            "data:image/png,plain".to_owned(),
            "data:image/png;base64,%%%".to_owned(),
            "data:image/png;base64".to_owned(),
            "data:".to_owned(),
        ] {
            assert_eq!(read(&other), None, "{other}");
        }
    }
}
