//! Where the body of a request ends, followed byte by byte.
//!
//! Must agree with hyper's decoder, which reads the same bytes behind the gate. It can only disagree about what one of both
//! refuses: what is taken here is the grammar of RFC 9112, 7.1, and nothing beside it.
//!
//! Not here: how large a body may be, or how slow (`body`).

use super::head::is_token;
use crate::limits::{CHUNK_EXTENSION_BYTES, TRAILER_BYTES};

/// How a body ends, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many more bytes.
    Length(u64),
    /// In chunks.
    Chunked(Chunks),
}

/// A place in a body of chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunks {
    at: At,
    /// Bytes of this chunk that are to come.
    left: u64,
    /// How many digits its length has so far.
    digits: u8,
    /// How long its extension, or all trailers, have become.
    beside: usize,
    /// Whether a trailer has its colon yet.
    named: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Length,
    Extension,
    LengthEnd,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

/// A body that is not framed as it must be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not in chunks as it should be")]
pub(super) struct BadFraming;

impl Framing {
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunks { at: At::Length, left: 0, digits: 0, beside: 0, named: false })
    }

    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.at == At::End,
        }
    }

    /// How many of these bytes belong to the body. Fewer than all: it is over.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<usize, BadFraming> {
        match self {
            Self::Length(left) => {
                let here = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= here as u64;
                Ok(here)
            }
            Self::Chunked(chunks) => chunks.follow(bytes),
        }
    }
}

impl Chunks {
    fn follow(&mut self, bytes: &[u8]) -> Result<usize, BadFraming> {
        let mut done = 0;
        while self.at != At::End
            && let Some(&byte) = bytes.get(done)
        {
            if self.at == At::Data {
                let here = (bytes.len() - done).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= here as u64;
                done += here;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
            } else {
                self.at = self.step(byte)?;
                done += 1;
            }
        }
        Ok(done)
    }

    fn step(&mut self, byte: u8) -> Result<At, BadFraming> {
        match (self.at, byte) {
            (At::Length, _) if byte.is_ascii_hexdigit() => {
                // Sixteen digits fill a u64; hyper counts in one, too.
                self.digits += 1;
                if self.digits > 15 {
                    return Err(BadFraming);
                }
                self.left = self.left * 16 + u64::from(char::from(byte).to_digit(16).unwrap_or(0));
                Ok(At::Length)
            }
            (At::Length, b';') if self.digits > 0 => Ok(At::Extension),
            (At::Length, b'\r') if self.digits > 0 => Ok(At::LengthEnd),
            (At::Extension, b'\r') => Ok(At::LengthEnd),
            // Letters, digits and what stands between: no quoted texts, which nobody sends and proxies read differently.
            (At::Extension, _) if is_token(byte) || matches!(byte, b'=' | b';') => {
                self.count(CHUNK_EXTENSION_BYTES, At::Extension)
            }
            (At::LengthEnd, b'\n') => {
                self.digits = 0;
                self.beside = 0;
                Ok(if self.left == 0 { At::TrailerStart } else { At::Data })
            }
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::Length),
            (At::TrailerStart, b'\r') => Ok(At::EndLf),
            (At::TrailerStart, _) if is_token(byte) => {
                self.named = false;
                self.count(TRAILER_BYTES, At::Trailer)
            }
            (At::Trailer, b'\r') if self.named => Ok(At::TrailerLf),
            (At::Trailer, b':') => {
                self.named = true;
                self.count(TRAILER_BYTES, At::Trailer)
            }
            (At::Trailer, _)
                if is_token(byte) || self.named && (byte >= 0x20 && byte != 0x7f || byte == b'\t') =>
            {
                self.count(TRAILER_BYTES, At::Trailer)
            }
            (At::TrailerLf, b'\n') => Ok(At::TrailerStart),
            (At::EndLf, b'\n') => Ok(At::End),
            _ => Err(BadFraming),
        }
    }

    fn count(&mut self, limit: usize, next: At) -> Result<At, BadFraming> {
        self.beside += 1;
        if self.beside > limit { Err(BadFraming) } else { Ok(next) }
    }
}
