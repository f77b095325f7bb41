//! Every input that is kept, through its target, as an ordinary test: the seeds, what once crashed, and, where somebody
//! has fuzzed here, what was found.

use std::fs;
use std::path::{Path, PathBuf};

use landline_fuzz::{TARGETS, Target};

/// In this order, so that an old crash is told first.
const KEPT: [&str; 3] = ["crashes", "seeds", "corpus"];

/// How many of what was found: the newest may be very many.
const MOST_FOUND: usize = 200;

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.sort();
    found
}

fn replay(target: &Target) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut replayed = 0;
    for kept in KEPT {
        for input in inputs(&root.join(kept).join(target.name)).into_iter().take(MOST_FOUND) {
            println!("{}", input.display());
            (target.run)(&fs::read(&input).expect("an input"));
            replayed += usize::from(kept == "seeds");
        }
    }
    assert!(replayed >= 3, "{} has no seeds", target.name);
}

/// A test for each, so that one that fails hides no other.
macro_rules! replayed {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let target = TARGETS.iter().find(|target| target.name == stringify!($name));
                replay(target.expect("a target"));
            }
        )*

        #[test]
        fn no_target_and_no_folder_is_forgotten() {
            let tests = [$(stringify!($name)),*];
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert!(names.iter().all(|name| tests.contains(name)) && names.len() == tests.len());
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            for kept in ["crashes", "seeds"] {
                for folder in inputs(&root.join(kept)) {
                    let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
                    assert!(names.contains(&name), "{} belongs to no target", folder.display());
                }
            }
        }
    };
}

replayed! {
    token ticket file_link watermark activity bodies file_names url_rules origin bot_token jwks bot_answer records config
    framing request upload stream bot_http folder sequence
}
