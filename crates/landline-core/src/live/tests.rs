use std::time::Duration;

use super::*;

struct Rig {
    all: Arc<Live>,
    lane: Arc<Lane>,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        let all = Arc::new(Live::default());
        #[expect(clippy::disallowed_methods, reason = "where time begins does not matter here")]
        let now = std::time::Instant::now().into();
        Self { lane: all.lane(), all, now }
    }

    fn push(&self, answer: &str, sequence: u64, body: &str) {
        let (body, last) = (Bytes::copy_from_slice(body.as_bytes()), false);
        self.lane.push(Chunk { answer, sequence: Some(sequence), last, body }, self.now);
    }

    fn all(&self, watching: &mut Watching) -> Vec<String> {
        let next = || self.lane.take(watching, self.now);
        std::iter::from_fn(next).map(|body| String::from_utf8(body.to_vec()).unwrap()).collect()
    }

    fn totals(&self) -> (usize, usize) {
        (self.all.answers.load(Ordering::Relaxed), self.all.bytes.load(Ordering::Relaxed))
    }
}

#[test]
fn a_reader_that_keeps_up_gets_every_chunk_of_every_answer_in_order() {
    let rig = Rig::new();
    let mut reader = rig.lane.watch();
    let mut got = Vec::new();
    for n in 1..=30 {
        rig.push("a", n, &format!("a{n}"));
        rig.push("b", n, &format!("b{n}"));
        got.extend(rig.all(&mut reader));
    }
    let expected: Vec<String> = (1..=30).flat_map(|n| [format!("a{n}"), format!("b{n}")]).collect();
    assert_eq!(got, expected);
    assert!(rig.all(&mut reader).is_empty());
}

#[test]
fn one_that_fell_behind_or_joins_goes_on_with_the_newest() {
    let rig = Rig::new();
    let mut slow = rig.lane.watch();
    for n in 1..=100 {
        rig.push("a", n, &format!("a{n}"));
    }
    rig.push("b", 1, "b1");
    let mut late = rig.lane.watch();
    assert_eq!(rig.all(&mut slow), ["a100", "b1"]);
    assert_eq!(rig.all(&mut late), ["a100", "b1"]);
    rig.push("a", 101, "a101");
    rig.push("b", 2, "b2");
    assert_eq!(rig.all(&mut late), ["a101", "b2"]);

    let mut poller = rig.lane.watch();
    rig.lane.pass_over(&mut poller);
    assert!(rig.all(&mut poller).is_empty());
    rig.push("b", 3, "b3");
    assert_eq!(rig.all(&mut poller), ["b3"]);
}

#[test]
fn a_chunk_that_comes_too_late_is_passed_over() {
    let rig = Rig::new();
    let mut reader = rig.lane.watch();
    for (sequence, body) in [(2, "two"), (1, "one"), (2, "two again"), (3, "three")] {
        rig.push("a", sequence, body);
    }
    let unnumbered =
        Chunk { answer: "a", sequence: None, last: false, body: Bytes::from_static(b"unnumbered") };
    rig.lane.push(unnumbered, rig.now);
    rig.push("a", 3, "three again");
    assert_eq!(rig.all(&mut reader), ["two", "three", "unnumbered"]);
}

#[test]
fn an_answer_that_has_ended_says_nothing_more() {
    let rig = Rig::new();
    let mut reader = rig.lane.watch();
    rig.push("a", 1, "one");
    rig.lane.end("a", rig.now);
    rig.push("a", 2, "two");
    assert!(rig.all(&mut reader).is_empty());
    rig.lane.end("never begun", rig.now);
    rig.push("never begun", 1, "one");
    assert!(rig.all(&mut reader).is_empty());
    assert_eq!(rig.totals().1, 0);
}

#[test]
fn an_answer_that_ends_with_a_chunk_still_hands_that_out_to_those_who_were_there() {
    let rig = Rig::new();
    let mut reader = rig.lane.watch();
    rig.push("a", 1, "one");
    let last = Chunk { answer: "a", sequence: Some(2), last: true, body: Bytes::from_static(b"last") };
    rig.lane.push(last, rig.now);
    rig.push("a", 3, "three");
    assert_eq!(rig.all(&mut reader), ["one", "last"]);
    assert!(rig.all(&mut rig.lane.watch()).is_empty());
}

#[test]
fn what_nobody_goes_on_with_is_forgotten_in_every_conversation() {
    let mut rig = Rig::new();
    rig.push("a", 1, "one");
    let other = rig.all.lane();
    rig.now += LIVE_ANSWER_TIMEOUT - Duration::from_millis(1);
    assert_eq!(rig.all(&mut rig.lane.watch()), ["one"]);
    rig.push("b", 1, "kept");
    rig.now += Duration::from_millis(1);
    assert_eq!(rig.all(&mut rig.lane.watch()), ["kept"]);

    let chunk = |body| Chunk { answer: "c", sequence: None, last: false, body: Bytes::from_static(body) };
    other.push(chunk(b"elsewhere"), rig.now);
    assert_eq!(rig.totals(), (2, "kept".len() + "elsewhere".len()));
    rig.now += LIVE_ANSWER_TIMEOUT * 2;
    other.push(chunk(b"again"), rig.now);
    assert_eq!(rig.totals(), (1, "again".len()));
    drop(other);
    assert_eq!(rig.totals(), (0, 0));
}

#[test]
fn chunks_bytes_and_answers_are_bounded() {
    let rig = Rig::new();
    let large = "x".repeat(LIVE_ANSWER_BYTES / 2);
    for n in 1..=50 {
        rig.push("a", n, &large);
    }
    assert_eq!(rig.totals(), (1, large.len() * 2));
    rig.lane.end("a", rig.now);
    for n in 0..LIVE_ANSWERS_PER_CONVERSATION {
        rig.push(&format!("b{n}"), 1, "x");
    }
    assert_eq!(rig.totals(), (LIVE_ANSWERS_PER_CONVERSATION, LIVE_ANSWERS_PER_CONVERSATION));

    // Over the bound of the process, an answer keeps its newest chunk alone, and then none.
    let lanes: Vec<_> = (0..ALL_LIVE_BYTES / LIVE_ANSWER_BYTES + 2).map(|_| rig.all.lane()).collect();
    for n in 1..=4 {
        for lane in &lanes {
            let body = Bytes::from(large.clone());
            lane.push(Chunk { answer: "c", sequence: Some(n), last: false, body }, rig.now);
        }
    }
    assert!(rig.totals().1 <= ALL_LIVE_BYTES, "{:?}", rig.totals());
    assert!(lanes.iter().all(|lane| lane.take(&mut lane.watch(), rig.now).is_some()));
    drop(lanes);
    assert_eq!(rig.totals().1, LIVE_ANSWERS_PER_CONVERSATION);

    let many: Vec<_> = (0..ALL_LIVE_ANSWERS).map(|_| rig.all.lane()).collect();
    for lane in &many {
        lane.push(Chunk { answer: "d", sequence: None, last: false, body: Bytes::new() }, rig.now);
    }
    assert_eq!(rig.totals().0, ALL_LIVE_ANSWERS);
}
