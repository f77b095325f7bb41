//! What a file is called, whatever its sender called it.
//!
//! Invariants: a clean name is never empty, never a path, at most [`MAX_NAME_BYTES`] long, holds nothing that cannot be
//! seen or turns the text around it, and cleaning it again changes nothing.
//!
//! Not here: how a name stands in a URL or a header (`landline-server`, `files`). Names are never used on disk.

/// The longest name, in bytes: what file systems take.
pub const MAX_NAME_BYTES: usize = 255;

/// The longest ending that survives when a name is cut, its dot included.
const MAX_ENDING_BYTES: usize = 32;

/// What a file is called that came without a name, or without one that can be used.
const NAMELESS: &str = "file";

/// A name that can be shown, linked and saved.
pub fn clean_name(declared: Option<&str>) -> String {
    let last = declared.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !is_unseen(*c)).collect();
    let name = cut(plain.trim()).trim_end().to_owned();
    if name.bytes().all(|b| b == b'.') { NAMELESS.to_owned() } else { name }
}

/// What breaks lines, or changes how the text around it reads: `gnp.exe` must not look like `exe.png`.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// At most [`MAX_NAME_BYTES`] of it, whole characters, with its ending where that is a short one.
fn cut(name: &str) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name.to_owned();
    }
    let (stem, ending) = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_ENDING_BYTES => name.split_at(dot),
        _ => (name, ""),
    };
    let stem = &stem[..stem.floor_char_boundary(MAX_NAME_BYTES - ending.len())];
    format!("{stem}{ending}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(declared: &str, expected: &str) {
        assert_eq!(clean_name(Some(declared)), expected, "{declared:?}");
    }

    #[test]
    fn names() {
        check("cat.png", "cat.png");
        check("Ünï cødé 🐈.png", "Ünï cødé 🐈.png");
        check(".profile", ".profile");
        check("a.tar.gz", "a.tar.gz");
        check("a\"b;c=d%41&<e>.txt", "a\"b;c=d%41&<e>.txt");
        check("CON", "CON");
        assert_eq!(clean_name(None), "file");
    }

    #[test]
    fn a_path_is_never_a_name() {
        for path in ["../../etc/passwd", "/etc/passwd", "..\\..\\passwd", "C:\\x\\passwd", "a/b\\passwd"] {
            check(path, "passwd");
        }
        for nothing in
            ["", "/", "..", ".", "...", "../..", "a/", "a/..", "\\", " ", " . ", "\0", "\u{202e}.."]
        {
            check(nothing, "file");
        }
    }

    #[test]
    fn what_cannot_be_seen_goes() {
        check("a\0b\r\nc\u{7f}\u{85}.txt", "abc.txt");
        check("photo_\u{202e}gnp.exe", "photo_gnp.exe");
        check("\u{2066}a\u{2069}\u{200f}\u{61c}\u{2028}\u{feff}.txt", "a.txt");
        check("  a b  ", "a b");
        check("x\r\nset-cookie: a=b", "xset-cookie: a=b");
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let long = clean_name(Some(&format!("{}.jpeg", "x".repeat(10_000))));
        assert_eq!(long, format!("{}.jpeg", "x".repeat(250)));
        check(&"x".repeat(256), &"x".repeat(255));
        check(&"x".repeat(255), &"x".repeat(255));
        // 3 bytes each: 83 of them and the ending are 253.
        check(&format!("{}.txt", "€".repeat(100)), &format!("{}.txt", "€".repeat(83)));
        check(&format!("a.{}", "x".repeat(300)), &format!("a.{}", "x".repeat(253)));
        check(&format!("..{}x", " ".repeat(300)), "file");
    }

    proptest! {
        #[test]
        fn any_name_is_clean_once_cleaned(
            declared in prop_oneof![any::<String>(), "[./\\\\ \u{202e}\0a🐈]{0,40}", "[a .€]{200,400}\\.[a-z]{1,40}"],
        ) {
            let name = clean_name(Some(&declared));
            prop_assert!(!name.is_empty() && name.len() <= MAX_NAME_BYTES);
            prop_assert!(!name.contains(['/', '\\']) && !name.chars().any(is_unseen));
            prop_assert!(name.trim() == name && name != "." && name != "..");
            prop_assert_eq!(clean_name(Some(&name)), name);
        }
    }
}
