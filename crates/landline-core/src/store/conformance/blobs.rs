//! The suite that every engine of blobs runs: one function per claim of the contract of [`BlobStore`].
//!
//! An engine's tests are one line, `landline_core::blob_conformance!(MyRig);`, where `MyRig` is a [`BlobRig`]. An engine
//! that needs something which is not there by itself puts an attribute before it:
//! `landline_core::blob_conformance!(#[ignore = "needs …"] MyRig);`. A new claim is added to the module it belongs to
//! *and* to the list in [`blob_conformance!`](crate::blob_conformance).
//!
//! Not here: what only one engine promises (a full disk, a killed process, a server that fails).

pub mod deleting;
pub mod durability;
pub mod listing;
pub mod reading;
pub mod writing;

use std::fmt::Debug;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use tokio_util::task::AbortOnDropHandle;

use super::id;
use crate::store::{BlobKey, BlobRead, BlobStore, BlobWriter, View};

/// How an engine is set up for a test.
pub trait BlobRig: Debug + Send + Sync + Sized + 'static {
    /// A size that takes this engine several pieces to write and to read, and is no multiple of any piece.
    const LARGE: usize;

    /// How many blobs are more than the engine lists in one go.
    const MANY: usize;

    /// An empty store.
    fn fresh() -> impl Future<Output = Self> + Send;

    /// The store.
    fn store(&self) -> Arc<dyn BlobStore>;

    /// Puts things beside the blobs that are none of ours, also in the place of conversation `a`; `false` where there is
    /// no place for such.
    fn put_foreign(&self) -> impl Future<Output = bool> + Send;

    /// Opens the store again over the same data, as another process would; `Err` hands back the rig of an engine
    /// that keeps nothing.
    fn reopen(self) -> impl Future<Output = Result<Self, Self>> + Send;
}

/// Makes a test of every claim for one [`BlobRig`].
#[macro_export]
macro_rules! blob_conformance {
    ($(#[$attribute:meta])* $rig:ty) => {
        $crate::blob_conformance! { @tests [$(#[$attribute])*] $rig;
            writing::{
                a_blob_comes_back_as_it_was_written,
                an_empty_blob_is_a_blob,
                a_large_blob_comes_back_whole,
                nothing_is_there_before_it_is_finished,
                a_dropped_writer_leaves_nothing,
                a_finish_that_is_given_up_leaves_all_or_nothing,
                who_reads_meanwhile_sees_it_whole_or_not_at_all,
                the_views_of_a_file_are_apart,
                many_are_written_at_once,
            }
            reading::{
                what_is_not_there_is_none,
                a_range_is_cut_at_the_end,
                a_range_of_a_large_blob_is_that_part_of_it,
                a_reader_that_has_begun_ends_although_the_blob_is_deleted,
                many_read_at_once,
            }
            listing::{
                all_are_listed_or_those_of_one_conversation,
                conversations_whose_ids_begin_alike_are_apart,
                what_is_listed_has_size_and_time,
                many_are_listed,
                what_is_no_blob_of_ours_is_passed_over,
                files_may_be_called_like_views,
            }
            deleting::{
                a_deleted_blob_is_gone_and_no_other,
                deleting_what_is_not_there_is_no_error,
                a_deleted_key_may_be_written_again,
                a_conversation_may_be_deleted_while_it_is_written_to,
            }
            durability::{
                finished_blobs_are_there_after_reopening_and_unfinished_ones_are_not,
            }
        }
    };
    (@tests $attributes:tt $rig:ty; $($module:ident::{ $($claim:ident,)+ })+) => {
        $(mod $module {
            $($crate::blob_conformance! { @test $attributes $rig; $module $claim })+
        })+
    };
    (@test [$(#[$attribute:meta])*] $rig:ty; $module:ident $claim:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])*
        async fn $claim() {
            $crate::store::conformance::blobs::$module::$claim::<$rig>().await;
        }
    };
}

fn key_of(conversation: &str, file: &str, view: View) -> BlobKey {
    BlobKey { conversation: id(conversation), file: file.parse().unwrap(), view }
}

fn original(conversation: &str, file: &str) -> BlobKey {
    key_of(conversation, file, View::Original)
}

/// Bytes in which no part looks like another; the same for the same seed.
fn noise(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let words = std::iter::repeat_with(|| {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()
    });
    words.flatten().take(length).collect()
}

async fn create(store: &dyn BlobStore, key: &BlobKey) -> Box<dyn BlobWriter> {
    store.create(key).await.unwrap()
}

/// Writes a blob in pieces of this size.
async fn put_in_pieces(store: &dyn BlobStore, key: &BlobKey, bytes: &Bytes, piece: usize) {
    let mut writer = create(store, key).await;
    let mut rest = bytes.clone();
    while !rest.is_empty() {
        writer.write(rest.split_to(piece.min(rest.len()))).await.unwrap();
    }
    assert_eq!(writer.finish().await.unwrap(), bytes.len() as u64);
}

async fn put(store: &dyn BlobStore, key: &BlobKey, bytes: &Bytes) {
    put_in_pieces(store, key, bytes, 64 * 1024).await;
}

/// What is left of a blob that is being read.
async fn rest(read: &mut BlobRead) -> Bytes {
    let mut all = BytesMut::new();
    while let Some(piece) = read.pieces.try_next().await.unwrap() {
        assert!(!piece.is_empty(), "an empty piece says nothing");
        all.extend_from_slice(&piece);
    }
    all.freeze()
}

/// Size and content.
async fn read(store: &dyn BlobStore, key: &BlobKey, range: Option<Range<u64>>) -> Option<(u64, Bytes)> {
    let mut read = store.read(key, range).await.unwrap()?;
    let bytes = rest(&mut read).await;
    Some((read.bytes, bytes))
}

#[track_caller]
fn assert_whole(found: Option<(u64, Bytes)>, expected: &Bytes) {
    let (size, bytes) = found.unwrap();
    assert_eq!(size, expected.len() as u64);
    assert!(bytes == *expected, "{} bytes are others than the {size} that were written", bytes.len());
}

/// The keys of all blobs, or of those of one conversation, in order.
async fn keys(store: &dyn BlobStore, of: Option<&str>) -> Vec<BlobKey> {
    let of = of.map(id);
    let listed: Vec<_> = store.list(of.as_ref()).try_collect().await.unwrap();
    let mut keys: Vec<_> = listed.into_iter().map(|blob| blob.key).collect();
    keys.sort();
    keys
}

#[expect(clippy::disallowed_methods, reason = "the test ends it, whichever way the test ends")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(task))
}
