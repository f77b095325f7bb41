//! Writing to a person.

use std::io::{self, Write};

/// A line on stdout. Somebody who closed it (`landline … | head`) wants no more, which is no error.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// A remark on stderr, where it is not in the way of what stdout is for.
pub(crate) fn note(text: &str) {
    // With stderr gone, there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "landline: {text}");
}

/// Why the command ends, on stderr: the error, then what caused it.
pub(crate) fn explain(error: &anyhow::Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let words = cause.to_string();
        // A cause that the sentence before it quotes is not said twice.
        if !text.contains(&words) {
            text = format!("{text}\n  because {words}");
        }
    }
    // With stderr gone as well, there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "landline: {text}");
}
