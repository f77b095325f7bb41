//! Reads `text/event-stream`, piece by piece.
//!
//! Invariant: what is held of an event that is not complete is bounded; whatever the bytes, they are events or an error.
//!
//! Written here because the libraries for it hold an event of any size.
//!
//! Source: HTML Standard, 9.2.6, "Interpreting an event stream". `id` and `retry` are of no use here: an answer is not
//! asked for a second time.

use std::mem::take;

use bytes::Bytes;
use landline_core::BotEvent;

/// What stands between two pieces.
#[derive(Debug)]
pub(crate) struct EventParser {
    /// How many bytes of one event are held.
    max: usize,
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    /// There was a line of data, though it may be empty.
    has_data: bool,
    /// The last byte ended a line, and a line feed behind it belongs to the same end.
    after_return: bool,
    /// The first line may begin with a byte order mark.
    begun: bool,
}

/// An event has more than the bytes that are held of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EventTooLarge;

impl EventParser {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            line: Vec::new(),
            name: Vec::new(),
            data: Vec::new(),
            has_data: false,
            after_return: false,
            begun: false,
        }
    }

    /// Reads a piece; each event that it completes goes to `found`.
    pub(crate) fn read(
        &mut self,
        piece: &[u8],
        mut found: impl FnMut(BotEvent),
    ) -> Result<(), EventTooLarge> {
        for &byte in piece {
            let second_half = take(&mut self.after_return) && byte == b'\n';
            if second_half {
                continue;
            }
            match byte {
                b'\r' | b'\n' => {
                    self.after_return = byte == b'\r';
                    if let Some(event) = self.end_line() {
                        found(event);
                    }
                }
                _ if self.line.len() + self.name.len() + self.data.len() >= self.max => {
                    return Err(EventTooLarge);
                }
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Option<BotEvent> {
        let mut line = take(&mut self.line);
        if !self.begun {
            self.begun = true;
            if line.starts_with(b"\xef\xbb\xbf") {
                line.drain(..3);
            }
        }
        if line.is_empty() {
            return self.end_event();
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.name = value.to_vec(),
            b"data" => {
                if take(&mut self.has_data) {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            // A comment (no field), or something that is of no use here.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<BotEvent> {
        let (name, data) = (take(&mut self.name), take(&mut self.data));
        if !take(&mut self.has_data) {
            return None;
        }
        let name =
            if name.is_empty() { "message".into() } else { String::from_utf8_lossy(&name).into_owned() };
        Some(BotEvent { name, data: Bytes::from(data) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 64;

    /// The events in these pieces, as `name=data`.
    fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, EventTooLarge> {
        let (mut parser, mut found) = (EventParser::new(MAX), Vec::new());
        for piece in pieces {
            parser.read(piece, |event| {
                found.push(format!("{}={}", event.name, String::from_utf8_lossy(&event.data)));
            })?;
        }
        Ok(found)
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(events([text.as_bytes()]).unwrap(), expected, "{text:?}");
        let bytes = text.as_bytes().chunks(1);
        assert_eq!(events(bytes).unwrap(), expected, "{text:?}, byte by byte");
    }

    #[test]
    fn events_in_every_spelling() {
        check("event: activity\r\ndata: {}\r\n\r\n", &["activity={}"]); // as the Agents SDK writes it
        check("event: activity\ndata: {}\n\n", &["activity={}"]);
        check("event: activity\rdata: {}\r\r", &["activity={}"]);
        check("event:activity\ndata:{}\n\nevent: end\ndata:\n\n", &["activity={}", "end="]);
        check("\u{feff}event: a\ndata: 1\n\n", &["a=1"]);
        check("data: 1\n\n", &["message=1"]);
        check("data: 1\ndata\ndata:  2\n\n", &["message=1\n\n 2"]);
        check("event: a\nevent: b\ndata: 1\n\ndata: 2\n\n", &["b=1", "message=2"]);
        check("data: a:b\n\n", &["message=a:b"]);
        check("data: 1\n\r\n", &["message=1"]);
    }

    #[test]
    fn what_is_no_event() {
        check("", &[]);
        check("\n\n\n", &[]);
        check(": still here\n\n", &[]);
        check("event: a\n\n", &[]);
        check("id: 1\nretry: 10\nfoo: bar\nfoo\n\n", &[]);
        check("<html>\n\n", &[]);
        check("data: 1", &[]);
        check("data: 1\n", &[]); // cut off before its end
        check("event: a\n\ndata: 1\n\n", &["message=1"]); // a name belongs to one event
    }

    #[test]
    fn an_event_without_end_is_an_error_and_comments_are_free() {
        let comment = ": xxxxxxxxxxxxxxxxxxxxxxxxx\n".repeat(100);
        check(&comment, &[]);
        for text in ["x".repeat(MAX + 1), "data: 1\n".repeat(MAX), format!("event: {}\n\n", "x".repeat(MAX))]
        {
            assert_eq!(events([text.as_bytes()]), Err(EventTooLarge), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_mean_the_same_however_they_are_cut(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'd'), any::<u8>()], 0..200),
            cut in 1_usize..20,
        ) {
            prop_assert_eq!(events(bytes.chunks(cut)), events([bytes.as_slice()]));
        }

        #[test]
        fn what_is_written_is_read(data in "[^\r\n]{0,20}", name in "[a-z]{1,10}") {
            let text = format!("event: {name}\r\ndata: {data}\r\n\r\n");
            prop_assume!(text.len() < MAX);
            prop_assert_eq!(events([text.as_bytes()]).unwrap(), [format!("{name}={data}")]);
        }
    }
}
