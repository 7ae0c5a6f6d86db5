//! `ctl rotate` that goes on with what was left, and is held between its password and its next step: what it has to say
//! goes to a pipe that is full.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use glassdome_tests::{PASSWORD, Started, World, text, wait_until};

use super::{letters, script, storage};

/// More than a pipe holds, in bytes: pipe(7).
const FULL: usize = 65_536;

pub struct Held {
    ctl: Started,
    said: PathBuf,
}

impl Held {
    /// All but its end was done before. `code`: the recovery code that was to be in force then, if the vault has one.
    pub fn before_its_end(world: &World, code: Option<&str>, args: &str) -> Self {
        let code = code.map_or_else(String::new, |code| format!("'{}'", letters(code)));
        script(world, &format!("rotation = Rotation()\nrotation.begin({code})\nrotation.carry()\n")).ok();
        world.allow_python(&world.home("script.py"));
        let said = world.home("said");
        let line = format!(
            "mkfifo {said}; exec 9<>{said}; head -c {FULL} /dev/zero >&9; exec ctl rotate --password-stdin {args} 2>&9",
            said = text(&said)
        );
        let ctl = world.shell(&line).stdin(format!("{PASSWORD}\n")).start();
        let held = Self { ctl, said };
        let is_begun = || storage(world)["rotation"]["done"].is_u64();
        assert!(wait_until(is_begun, Duration::from_secs(30)), "it is under way");
        held
    }

    /// Lets it go on to its end, and gives its code and what it said.
    pub fn end(self) -> (i32, String) {
        let mut said = File::open(self.said).unwrap();
        let reads = thread::spawn(move || {
            let mut all = Vec::new();
            said.read_to_end(&mut all).unwrap();
            String::from_utf8(all.split_off(FULL)).unwrap()
        });
        (self.ctl.output().code, reads.join().unwrap())
    }
}
