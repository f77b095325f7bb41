//! A secret that the operator has: from the environment, a file or stdin, never from the command line, which everybody
//! on the machine can read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, bail};

use crate::exit::WrongConfiguration;
use crate::limits::SECRET_BYTES;

/// Reads from the one that is named; `None` when none is.
pub(crate) fn read(variable: Option<&str>, file: Option<&Path>) -> anyhow::Result<Option<String>> {
    match (variable, file) {
        (None, None) => Ok(None),
        (Some(name), _) => match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok(Some(value)),
            _ => {
                let problem =
                    format!("the environment variable {name} is not set, or empty; export it first");
                Err(WrongConfiguration(problem).into())
            }
        },
        (None, Some(path)) if path == Path::new("-") => of(io::stdin().lock(), "stdin").map(Some),
        (None, Some(path)) => {
            let shown = path.display().to_string();
            let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
            of(file, &shown).map(Some)
        }
    }
}

fn of(source: impl Read, shown: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = source.take(SECRET_BYTES + 1).read_to_string(&mut text);
    let length = read.with_context(|| format!("cannot read a secret from {shown}"))?;
    if length as u64 > SECRET_BYTES {
        bail!("{shown} holds more than {SECRET_BYTES} bytes, which is no secret");
    }
    // Editors and `echo` end a file with a line break; it is not part of the secret.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        bail!("{shown} is empty; it should hold a secret");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_no_part_of_it() {
        for (text, secret) in
            [("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("a\n\n", "a\n")]
        {
            assert_eq!(of(text.as_bytes(), "f").unwrap(), secret);
        }
        assert!(of("\n".as_bytes(), "f").unwrap_err().to_string().contains("is empty"));
        let long = "x".repeat(5000);
        assert!(of(long.as_bytes(), "f").unwrap_err().to_string().contains("4096"));
    }
}
