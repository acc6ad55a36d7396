//! Replays the seeds of the fuzz targets, and the inputs that once made one fail: each is a file in `fuzz/seeds`.
#![expect(clippy::panic, clippy::unwrap_used, reason = "this is test: what is not as it must be ends it, or is shown")]
#![expect(clippy::disallowed_methods, reason = "the seeds are files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use myicq_tests::fuzz::TARGETS;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_seed_of_every_target() {
    for (name, target) in TARGETS {
        let folder = fuzz_folder().join("seeds").join(name);
        let seeds = names(&folder);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            target(&fs::read(path).unwrap());
        }
    }
}

#[test]
fn every_target_has_a_body_and_seeds() {
    let bodies: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz_folder().join("fuzz_targets")), bodies);
    assert_eq!(names(&fuzz_folder().join("seeds")), bodies);
}

/// Every seed with a byte changed, cut short, or doubled: a little of what the fuzzer does, in every run of the tests.
#[test]
fn neighbours_of_every_seed() {
    for (name, target) in TARGETS.into_iter().filter(|(name, _)| !name.ends_with("operations")) {
        for entry in fs::read_dir(fuzz_folder().join("seeds").join(name)).unwrap() {
            let seed = fs::read(entry.unwrap().path()).unwrap();
            let step = seed.len() / 64 + 1;
            for at in (0..seed.len()).step_by(step) {
                target(&seed[..at]);
                for value in [0, 1, 0x7F, 0xFF, seed[at] ^ 0x80] {
                    let mut changed = seed.clone();
                    changed[at] = value;
                    target(&changed);
                }
            }
            target(&[&seed[..], &seed[..]].concat());
        }
    }
}

/// Conversations out of random bytes, the same in every run.
#[test]
fn random_operations() {
    for (name, target) in TARGETS.into_iter().filter(|(name, _)| name.ends_with("operations")) {
        for seed in 0..500 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut bytes = vec![0; random.random_range(0..3_000)];
            random.fill_bytes(&mut bytes);
            println!("{name} {seed}");
            target(&bytes);
        }
    }
}
