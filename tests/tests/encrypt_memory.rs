//! Memory does not grow with a stream: all of `ctl encrypt | ctl decrypt` over 1 GiB, of which the tests' disk sees
//! nothing, and the way over files over as little as tells.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use glassdome_tests::{Started, User, World, wait_until};

/// What a program may have, and what the daemon may have more than before, in KiB.
const PROGRAM: u64 = 12 << 10;
const DAEMON: u64 = 4 << 10;

/// 1 GiB of lines, no two of which are the same, so that nothing of it can be left out or moved unseen; its SHA-256 is
/// that of `seq 1 200000000 | head -c 1073741824`.
const LINES: &str = "seq 1 200000000 | head -c 1073741824";
const DIGEST: &str = "5d4406b85df2402c69b2d17c415f342960e73bc32a2385730f19e023b1900ca9";

/// A field of proc_pid_status(5), in KiB; `None` of a process that has ended.
fn field(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// What was seen while something ran.
#[derive(Default)]
struct Seen {
    /// The most that each program had at once.
    programs: Vec<u64>,
    /// The most that the daemon had more than before.
    grown: u64,
    looks: u32,
}

impl Seen {
    /// Looks until all have ended, whose process ids will stand in that file, one a line.
    fn until_they_end(world: &World, pids: &Path, before: u64) -> Self {
        let read = || -> Vec<u32> {
            let text = fs::read_to_string(pids).unwrap_or_default();
            text.lines().filter_map(|line| line.parse().ok()).collect()
        };
        assert!(wait_until(|| !read().is_empty(), Duration::from_secs(20)), "they have begun");
        let (pids, daemon) = (read(), u32::try_from(world.daemon_pid()).unwrap());
        let mut seen = Self { programs: vec![0; pids.len()], ..Self::default() };
        let ended = wait_until(
            || {
                let now: Vec<_> = pids.iter().map(|pid| field(*pid, "VmHWM")).collect();
                for (most, now) in seen.programs.iter_mut().zip(&now) {
                    *most = (*most).max(now.unwrap_or(0));
                }
                let has = field(daemon, "VmRSS").expect("the daemon runs");
                seen.grown = seen.grown.max(has.saturating_sub(before));
                seen.looks += 1;
                now.iter().all(Option::is_none)
            },
            Duration::from_secs(400),
        );
        assert!(ended, "they come to their end");
        seen
    }

    fn is_little(&self, what: &str) {
        assert!(self.looks > 3, "{what}: it was looked {} times", self.looks);
        for most in &self.programs {
            assert!((1024..PROGRAM).contains(most), "{what}: a program took {most} KiB");
        }
        assert!(self.grown < DAEMON, "{what}: the daemon took {} KiB more", self.grown);
    }
}

/// A world, and what its daemon has when both ways were gone once.
fn warm() -> (World, u64) {
    let world = World::unlocked();
    let once = world.ctl(&["encrypt", "--context", "c"]).stdin(vec![7; 200_000]).ok();
    world.ctl(&["decrypt", "--context", "c"]).stdin(once).ok();
    let has = field(u32::try_from(world.daemon_pid()).unwrap(), "VmRSS").unwrap();
    (world, has)
}

fn measured(world: &World, script: &str) -> Started {
    world.granted_shell("/bin/bash", script).within(Duration::from_secs(420)).start()
}

#[test]
fn a_gibibyte_goes_through_pipes_in_memory_that_does_not_grow() {
    let (world, before) = warm();
    let script = format!(
        "mkfifo sealed plain\n\
         sha256sum < plain > digest & sum=$!\n\
         {LINES} | ctl encrypt --context c > sealed & encrypt=$!\n\
         ctl decrypt --context c < sealed > plain & decrypt=$!\n\
         printf '%s\\n' $encrypt $decrypt > some && mv some pids\n\
         wait $encrypt && wait $decrypt && wait $sum && cut -c1-64 digest"
    );
    let running = measured(&world, &script);
    let seen = Seen::until_they_end(&world, &world.home("pids"), before);
    assert_eq!(String::from_utf8(running.output().ok()).unwrap().trim_end(), DIGEST);
    seen.is_little("pipes");
}

#[test]
fn files_are_no_dearer_than_pipes() {
    let (world, before) = warm();
    let data = world.home("large");
    fs::write(&data, vec![7; 24 << 20]).unwrap();
    User::A.own(&data).unwrap();
    for (what, from, to) in [("encrypt", "large", "large.enc"), ("decrypt", "large.enc", "back")] {
        let pids = format!("{what}.pids");
        let script = format!(
            "ctl {what} --context c {from} --out {to} & p=$!; echo $p > some && mv some {pids}; wait $p"
        );
        let running = measured(&world, &script);
        let seen = Seen::until_they_end(&world, &world.home(&pids), before);
        running.output().ok();
        seen.is_little(what);
    }
    assert_eq!(fs::read(world.home("back")).unwrap(), fs::read(&data).unwrap());
}
