//! Plays every `scenarios/*.scene`, with our own client, with the client of 2003, and with each mixture of them.
#![expect(clippy::disallowed_methods, reason = "the scenes are files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use myicq_tests::script::play;
use myicq_wire::{COMMANDS, CommandInfo};

#[test]
fn every_scene() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut scenes: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scenes.sort();
    let (mut failures, mut requests, mut replies) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut requests_of_ours = BTreeSet::new();
    for path in &scenes {
        let name = path.file_name().unwrap().to_string_lossy();
        match play(&fs::read_to_string(path).unwrap()) {
            Ok(played) => {
                println!("{name}: {} mixtures of programs", played.mixtures);
                requests.extend(played.requests);
                requests_of_ours.extend(played.requests_of_ours);
                replies.extend(played.replies);
            }
            Err(why) => failures.push(format!("{name}, {why}")),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    // Of the commands that are the protocol's and not ours, each is played in each direction that it has.
    let of_the_protocol = || COMMANDS.iter().filter(|info| !(0x0200..0x1000).contains(&info.number));
    let unplayed = |played: &BTreeSet<&str>, has: fn(&CommandInfo) -> bool| -> Vec<&str> {
        of_the_protocol().filter(|info| has(info) && !played.contains(info.name)).map(|info| info.name).collect()
    };
    let nothing: [&str; 0] = [];
    assert_eq!(unplayed(&requests, |info| info.request.is_some()), nothing);
    assert_eq!(unplayed(&requests_of_ours, |info| info.request.is_some()), nothing, "not in the library");
    assert_eq!(unplayed(&replies, |info| info.reply), nothing);
}

#[test]
fn scenes_that_are_not_so_are_found() {
    let refused = |scene: &str| play(scene).unwrap_err();
    assert!(refused("people anna\nanna dances").contains("not understood"));
    assert!(refused("people anna\nben registers").contains("who is ben?"));
    assert!(
        refused("people anna ben\nanna registers\nben registers\nanna logs in\nben logs in\nanna sees ben online")
            .contains("got None")
    );
    let unheard = "people anna ben\nall use ours\nanna registers\nben registers\nanna logs in\nben logs in\nanna says to ben: psst";
    assert!(refused(unheard).contains("also heard"));
}
