//! The bytes of a whole file on their way out, checked against what was kept of them.
//!
//! Invariant: what ends well is what came in. Where the bytes have changed on disk, the last piece is withheld and the
//! line is cut, so that whoever reads notices: they were promised more.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt, unfold};
use landline_core::files::FileDigest;
use landline_core::store::StoreError;

struct Checked {
    pieces: BoxStream<'static, Result<Bytes, StoreError>>,
    seen: Context,
    digest: FileDigest,
    /// How many bytes are missing.
    missing: u64,
    /// The newest piece, until it is known that another one follows, or that all are right.
    held: Option<Bytes>,
}

/// The same pieces, one behind; an error in place of the last one where they are not what was kept.
pub(crate) fn checked(
    pieces: BoxStream<'static, Result<Bytes, StoreError>>,
    bytes: u64,
    digest: FileDigest,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    let all = Checked { pieces, seen: Context::new(&SHA256), digest, missing: bytes, held: None };
    unfold(Some(all), |all| async {
        let mut all = all?;
        loop {
            match all.pieces.next().await {
                Some(Ok(piece)) => {
                    all.seen.update(&piece);
                    let missing = u64::try_from(piece.len()).ok().and_then(|n| all.missing.checked_sub(n));
                    let Some(missing) = missing else { return Some((Err(changed()), None)) };
                    all.missing = missing;
                    if let Some(before) = all.held.replace(piece) {
                        return Some((Ok(before), Some(all)));
                    }
                }
                Some(Err(error)) => return Some((Err(error), None)),
                None if all.seen.clone().finish().as_ref() == all.digest.as_bytes() => {
                    return all.held.map(|last| (Ok(last), None));
                }
                None => return Some((Err(changed()), None)),
            }
        }
    })
}

fn changed() -> StoreError {
    StoreError("the bytes of a file are not those that came in".into())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::digest;
    use futures_util::stream::iter;

    use super::*;

    async fn read(pieces: Vec<Result<&'static [u8], ()>>, of: &[u8]) -> (Vec<u8>, bool) {
        let digest = FileDigest::new(digest(&SHA256, of).as_ref().try_into().unwrap());
        let pieces =
            pieces.into_iter().map(|p| p.map(Bytes::from_static).map_err(|()| StoreError("x".into())));
        let pieces: Vec<_> =
            checked(iter(pieces.collect::<Vec<_>>()).boxed(), of.len() as u64, digest).collect().await;
        let well = pieces.iter().all(Result::is_ok);
        (pieces.into_iter().flatten().flatten().collect(), well)
    }

    #[tokio::test]
    async fn what_is_right_ends_well() {
        assert_eq!(read(vec![Ok(b"ab"), Ok(b"c"), Ok(b"")], b"abc").await, (b"abc".to_vec(), true));
        assert_eq!(read(vec![Ok(b"abc")], b"abc").await, (b"abc".to_vec(), true));
        assert_eq!(read(vec![], b"").await, (vec![], true));
    }

    #[tokio::test]
    async fn what_has_changed_never_ends_well_and_never_is_whole() {
        assert_eq!(read(vec![Ok(b"abx")], b"abc").await, (vec![], false));
        assert_eq!(read(vec![Ok(b"xb"), Ok(b"c")], b"abc").await, (b"xb".to_vec(), false));
        assert_eq!(read(vec![Ok(b"ab")], b"abc").await, (vec![], false), "too short");
        assert_eq!(read(vec![Ok(b"abc"), Ok(b"d")], b"abc").await, (vec![], false), "too long");
        assert_eq!(
            read(vec![Ok(b"x"), Ok(b"bc"), Ok(b"d")], b"abc").await,
            (b"x".to_vec(), false),
            "too long"
        );
        assert_eq!(read(vec![Ok(b"ab"), Err(()), Ok(b"c")], b"abc").await, (vec![], false));
    }
}
