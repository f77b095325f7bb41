//! Ids that nobody can guess (S15).

use std::collections::HashSet;

use landline_core::Entropy;
use landline_server::SystemEntropy;
use landline_testkit::in_process::Person;

use super::World;
use super::raw::Ask;

/// Enough of each that a short cycle, a counter or a clock in them would be seen.
const DRAWN: usize = 500_000;

/// The letters that an id is made of.
const LETTERS: usize = 62;

#[test]
fn s15_ids_have_130_bits_without_a_pattern_and_none_comes_twice() {
    let entropy: &dyn Entropy = &SystemEntropy;
    let ids = (0..DRAWN).map(|_| entropy.conversation_id().to_string());
    let ids: Vec<String> = ids.chain((0..DRAWN).map(|_| entropy.file_id().to_string())).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "an id came twice");
    let length = ids[0].len();
    let bits = (LETTERS as f64).log2() * length as f64;
    assert!(bits > 128.0, "{bits} bits");
    // At each place, each letter about as often as any other: chi squared with 61 degrees of freedom, whose mean is 61
    // and which is over 140 once in ten million draws. And two neighbours are as often equal as chance has it.
    let expected = ids.len() as f64 / LETTERS as f64;
    for place in 0..length {
        let mut counts = [0_u32; 128];
        for id in &ids {
            assert!(id.len() == length && id.as_bytes()[place].is_ascii_alphanumeric(), "{id}");
            counts[usize::from(id.as_bytes()[place])] += 1;
        }
        let far: f64 =
            counts.iter().filter(|n| **n > 0).map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
        assert_eq!(counts.iter().filter(|n| **n > 0).count(), LETTERS);
        assert!(far < 140.0, "place {place}: {far}");
        let same = ids.windows(2).filter(|two| two[0].as_bytes()[place] == two[1].as_bytes()[place]).count();
        let off = (same as f64 - expected).abs() / expected.sqrt();
        assert!(off < 7.0, "place {place}: neighbours are equal {same} times of {}", ids.len());
    }
}

/// What is handed out is no longer than that, and knowing one tells nothing of the next.
#[tokio::test]
async fn s15_a_guessed_neighbour_is_nobody() {
    let world = World::start().await;
    let neighbours = |id: &str| {
        let mut found = Vec::new();
        for at in [0, id.len() / 2, id.len() - 1] {
            for letter in ["0", "9", "A", "z"] {
                let mut other = id.to_owned();
                other.replace_range(at..=at, letter);
                found.push(other);
            }
        }
        found.retain(|other| other != id);
        found
    };
    let Person { conversation, .. } = &world.ann;
    for guess in neighbours(conversation) {
        for rest in ["", "/activities"] {
            let path = format!("/v3/directline/conversations/{guess}{rest}");
            let ask = Ask::get(path).bearer(landline_testkit::in_process::SECRET);
            ask.send(world.server.address).await.refused(404, "ResourceNotFound");
        }
    }
}
