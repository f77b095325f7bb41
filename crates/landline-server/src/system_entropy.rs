//! Randomness of the operating system.

use landline_core::Entropy;

/// Bytes that nobody can guess.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if aws_lc_rs::rand::fill(bytes).is_err() {
            // Without randomness, every id and key could be guessed; there is nothing safe left to do.
            tracing::error!("The operating system gives no randomness; stopping");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use landline_protocol::{ConversationId, FileId};

    use super::*;

    const IDS: usize = 1_000_000;
    const LETTERS: usize = 62;

    #[test]
    fn s15_a_million_ids_have_no_pattern_and_none_is_there_twice() {
        let mut bytes = [0; 2 * ConversationId::LENGTH];
        let mut seen = HashSet::with_capacity(IDS);
        let mut counts = [[0_u32; 128]; ConversationId::LENGTH];
        let (mut before, mut alike) = ([0; ConversationId::LENGTH], 0_u32);
        while seen.len() < IDS {
            SystemEntropy.fill(&mut bytes);
            let Some(id) = ConversationId::from_random(&bytes) else { continue };
            let id: [u8; ConversationId::LENGTH] = id.as_str().as_bytes().try_into().unwrap();
            for (place, letter) in id.iter().enumerate() {
                counts[place][usize::from(*letter)] += 1;
                alike += u32::from(before[place] == *letter);
            }
            before = id;
            assert!(seen.insert(id), "the same id twice");
        }

        // Chi-square with 61 degrees of freedom: above 140 for one place in ten million, if all letters are equally likely.
        let expected = IDS as f64 / LETTERS as f64;
        for (place, counts) in counts.iter().enumerate() {
            let letters = counts.iter().filter(|count| **count > 0).count();
            assert_eq!(letters, LETTERS, "at place {place}");
            let off = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
            let chi_square: f64 = counts.iter().filter(|count| **count > 0).map(off).sum();
            assert!(chi_square < 140.0, "at place {place}: {chi_square}");
        }
        // A letter is that of the id before in one of 62 places, give or take seven standard deviations.
        let pairs = (IDS * ConversationId::LENGTH) as f64;
        let share = 1.0 / LETTERS as f64;
        let deviation = (pairs * share * (1.0 - share)).sqrt();
        assert!((f64::from(alike) - pairs * share).abs() < 7.0 * deviation, "{alike} of {pairs}");
        assert_eq!(FileId::LENGTH, ConversationId::LENGTH);
    }

    #[test]
    fn s15_an_id_is_at_least_128_random_bits() {
        let bits = (ConversationId::LENGTH as f64) * (LETTERS as f64).log2();
        assert!(bits >= 128.0, "{bits}");
    }
}
