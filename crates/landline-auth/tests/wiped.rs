//! What is left of a secret in the memory of the process that dropped it: nothing (S80).
//!
//! A program of its own: no other test runs beside it and holds what is looked for. Linux shows a process its own memory as a file, so
//! nothing here is `unsafe`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "these are tests, helpers included")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use landline_auth::SiteSecret;
use zeroize::Zeroize;

/// Kept so that the text that is looked for stands nowhere but where it was left.
const MASK: u8 = 0x5a;

/// What is read at a time.
const PIECE_BYTES: usize = 1024 * 1024;

/// Who frees memory writes a pointer or two to its beginning, so that is no sign of anything.
const FREED_HEAD_BYTES: usize = 16;

#[test]
fn s80_a_dropped_secret_is_wiped() {
    let mut piece = vec![0; PIECE_BYTES];
    // Both ways in which there is one; each leaves other copies behind where it is careless.
    let made = SiteSecret::from_random(&[0x17; 32]);
    let masked: Vec<u8> = made.expose().bytes().map(|byte| byte ^ MASK).collect();
    let read = SiteSecret::from_text(made.expose()).unwrap();
    assert_eq!(found(&masked, &mut piece), 2, "it is not looked for where it lies");
    drop(read);
    assert_eq!(found(&masked, &mut piece), 1, "the text that was taken from a configuration is still there");
    drop(made);
    assert_eq!(found(&masked, &mut piece), 0, "the text that was made here is still there");
}

/// How often the end of the text stands in memory that this process can write to.
fn found(masked: &[u8], piece: &mut [u8]) -> usize {
    let end = &masked[FREED_HEAD_BYTES..];
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mine = piece.as_ptr() as u64;
    let mut count = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')).unwrap();
        let (mut at, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        while at < to {
            let wanted = piece.len().min(usize::try_from(to - at).unwrap());
            let Ok(read @ 1..) = memory.read_at(&mut piece[..wanted], at) else { break };
            let hits = piece[..read].windows(end.len()).enumerate().filter(|(offset, window)| {
                let address = at + *offset as u64;
                let is_piece = (mine..mine + PIECE_BYTES as u64).contains(&address);
                !is_piece && window.iter().zip(end).all(|(byte, masked)| byte ^ MASK == *masked)
            });
            count += hits.count();
            // A hit may lie across the end of what was read.
            at += if read < wanted || at + (read as u64) == to { read } else { read - end.len() + 1 } as u64;
        }
    }
    piece.zeroize();
    count
}
