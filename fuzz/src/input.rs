//! Taking an input apart.

/// The first byte, which says how the rest is meant, and the rest. Nothing gives a zero.
pub(crate) fn split(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// Up to the first NUL, and behind it.
pub(crate) fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

/// As text, with whatever is none left out.
pub(crate) fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// A text with some of its bytes changed: each four bytes of the edits say where (two), how, and with what.
pub(crate) fn edited(text: &str, edits: &[u8]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for edit in edits.chunks_exact(4) {
        let [high, low, how, with] = [edit[0], edit[1], edit[2], edit[3]];
        let at = usize::from(u16::from_be_bytes([high, low])) % (bytes.len() + 1);
        match how % 5 {
            0 if at < bytes.len() => bytes[at] ^= 1 << (with % 8),
            1 if at < bytes.len() => bytes[at] = with,
            2 => bytes.insert(at, with),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            _ => {}
        }
    }
    bytes
}

/// What another reader of JSON makes of what was accepted here. `None` where a number does not fit into a double, or
/// it is too deep for that reader: readers differ in what they make of that.
pub(crate) fn other_reader(json: &[u8]) -> Option<serde_json::Value> {
    match serde_json::from_slice(json) {
        Ok(value) => Some(value),
        Err(error)
            if ["number out of range", "recursion limit"]
                .iter()
                .any(|why| error.to_string().starts_with(why)) =>
        {
            None
        }
        Err(error) => panic!("what was accepted is no JSON for another reader: {error}"),
    }
}
