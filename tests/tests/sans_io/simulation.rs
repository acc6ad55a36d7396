//! A thousand courses over a bad network, each from a seed. One alone: `MYICQ_SEED=7 cargo test -p myicq-tests --test
//! simulation -- --nocapture`.
#![expect(clippy::panic, clippy::print_stdout, reason = "this is test: what is not as it must be ends it, or is shown")]

use std::ops::Range;
use std::panic::catch_unwind;

use myicq_tests::campaign;
use myicq_tests::course::{Climate, live};

fn all(seeds: Range<u64>, climate: Climate) {
    #[expect(clippy::disallowed_methods, reason = "the one seed to be repeated comes from outside")]
    let chosen = std::env::var("MYICQ_SEED");
    if let Ok(seed) = chosen {
        let figures = live(seed.parse().expect("MYICQ_SEED is a number"), climate);
        return println!("{climate:?} {seed}: {figures:#?}");
    }
    match campaign::all(seeds, climate) {
        Ok(figures) => println!("{climate:?}: {figures:#?}"),
        Err(seed) => panic!(
            "{climate:?}: repeat with MYICQ_SEED={seed} cargo test -p myicq-tests --test sans_io simulation -- --nocapture"
        ),
    }
}

#[test]
fn drawn_weather() {
    all(0..500, Climate::Drawn);
}

/// 30 % lost, 10 % twice, a quarter out of order, each way.
#[test]
fn foul_weather() {
    all(10_000..10_400, Climate::Foul);
}

#[test]
fn corrupting_weather() {
    all(20_000..20_100, Climate::Corrupting);
}

/// A LOGIN that the network delivered once more made a server that had died and come back know the session of a client of 2003 again, which
/// then sent again what had been delivered and not acknowledged.
#[test]
fn a_login_that_comes_again_after_a_crash() {
    live(19_155, Climate::Foul);
}

#[test]
fn the_same_seed_gives_the_same_course() {
    assert_eq!(live(4, Climate::Drawn), live(4, Climate::Drawn));
}

#[test]
fn the_oracle_finds_a_disk_that_lies() {
    let found = (30_000..30_010).filter(|&seed| catch_unwind(|| live(seed, Climate::LyingDisk)).is_err()).count();
    assert!(found >= 5, "in {found} of 10 courses");
}
