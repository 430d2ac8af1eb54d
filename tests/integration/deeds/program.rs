//! The program: plays every scene by every way, each in a process of its own, and prints the account, a line per deed.
//!
//! It is this test program again, with one test to run, so that it can be carried into a virtual machine as one static
//! file. That test can fail: when a deed did not come out as it was meant to.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::actor::{Actor, Way, in_child};
use super::{kernel, scenes};

/// Where to do it. Without it the program does nothing.
pub(super) const PLACE: &str = "PINHOLE_DEEDS_PLACE";
/// A kernel module that it may load: one that harms nobody.
pub(super) const MODULE: &str = "PINHOLE_DEEDS_MODULE";
/// How the test program is told to be this program.
pub(super) const WORDS: [&str; 5] = [
    "deeds::program::perform",
    "--exact",
    "--ignored",
    "--nocapture",
    "--test-threads=1",
];
/// What the last process asks for when all is done, below the place.
pub(super) const LAST: &str = "the-last-deed";
/// What the program prints where the kernel has no 32-bit calls.
pub(super) const NATIVE_ONLY: &str = "this kernel has no 32-bit calls";

#[test]
#[ignore = "the program that the tests of deeds watch"]
fn perform() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let place = fs::canonicalize(place).unwrap();
    let all = takes_32_bit_calls();
    // The runner has left a line unfinished.
    println!("\n{}", if all { "" } else { NATIVE_ONLY });
    let mut failed = Vec::new();
    for scene in scenes::ALL {
        for way in scene.ways.iter().copied().filter(|way| all || *way == Way::Native) {
            let name = format!("{}-{}", scene.name, way.name());
            let own = place.join(&name);
            fs::create_dir(&own).unwrap();
            let child = in_child(|| play(scene, way, &own));
            if kernel::wait(child, 0) != 0 {
                failed.push(name);
            }
        }
    }
    let _ = fs::File::open(place.join(LAST));
    assert!(failed.is_empty(), "not as they were meant to be: {failed:?}");
}

fn play(scene: &scenes::Scene, way: Way, own: &Path) {
    let mut actor = Actor::new(way, scene.name, own.to_owned());
    let place = actor.place();
    let path = actor.text(&place);
    actor.succeeds("chdir", &[path]);
    actor.expects(json!({ "file": { "requested_path": place }, "process": { "cwd": place } }));
    (scene.play)(&mut actor);
    actor.tells();
}

fn takes_32_bit_calls() -> bool {
    // Where they are switched off at boot the process gets a signal instead of an answer.
    #[expect(unsafe_code, reason = "raw system calls")]
    let child = in_child(|| {
        // SAFETY: getpid(2) has no arguments.
        let found = unsafe { kernel::i386(20, [0; 6]) };
        assert_eq!(found, i64::from(nix::unistd::getpid().as_raw()));
    });
    kernel::wait(child, 0) == 0
}
