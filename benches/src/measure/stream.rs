//! Data outside the vault, decrypted by `ctl decrypt` out of a file, beside the bare cipher over as many chunks in this
//! process. What ctl, the daemon and the socket between them add is paid for in part by the second processor. And what
//! memory that takes: as much at the end as at the beginning.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce};
use glassdome_proto::crypto::CHUNK;

use crate::error::Error;
use crate::home::Home;
use crate::rounds::by_turns;
use crate::table::{Budget, Row, Table, bytes};

use super::memory::of_status;
use super::process::run;

const ROUNDS: usize = 5;
const GIB: usize = 1 << 30;
const CONTEXT: &str = "bench/stream";
/// What all of it consists of.
const BYTE: u8 = 7;
/// It is looked at the memory whenever so much came out.
const LOOK: usize = 1 << 20;
/// What may be more at the end than at the first look: constant is the budget, and this is a few pages.
const CONSTANT: u64 = 256 * 1024;

/// Measures it. Only what is encrypted lies on a disk: the rest comes out of a pipe, and goes into one or into nothing.
pub(crate) fn decrypted(home: &Home, table: &mut Table) -> Result<(), Error> {
    let sealed = home.path().join("stream.enc");
    let mut encrypt = home.program("ctl");
    encrypt.args(["encrypt", "--context", CONTEXT]).arg("--out").arg(&sealed);
    fed(encrypt)?;
    let decrypt = || -> Command {
        let mut command = home.program("ctl");
        command.args(["decrypt", "--context", CONTEXT]).arg(&sealed);
        command
    };
    let [program, daemon] = looked_at(decrypt(), home.daemon()?)?;
    let cipher = ChaCha20Poly1305::new(&Key::from([7; 32]));
    let mut text = vec![BYTE; CHUNK];
    // In place, over and over: it does the same work as opening one chunk after the other.
    let mut bare = |length: usize| {
        let text = &mut text[..length];
        let sealed = cipher.encrypt_inout_detached(&Nonce::default(), &[], text.into());
        sealed.map(drop).map_err(|_| Error::Wrong("the cipher"))
    };
    // A second each: no caches that a first call would find cold.
    let [floor, ours] = by_turns(
        ROUNDS,
        [&mut |_| timed(|| chunks().try_for_each(&mut bare)), &mut |_| timed(|| run(decrypt()))],
    )?;
    // Half the cipher's speed.
    table.times("`ctl decrypt` of 1 GiB", None, [&floor, &ours], Budget::Times(2.0));
    table.add(program.row("memory of `ctl` behind its first MiB, and behind all"));
    table.add(daemon.row("memory of the daemon, likewise"));
    std::fs::remove_file(sealed).map_err(Error::system("remove a large file"))
}

/// The lengths of all chunks.
fn chunks() -> impl Iterator<Item = usize> {
    (0..GIB).step_by(CHUNK).map(|at| CHUNK.min(GIB - at))
}

fn timed(once: impl FnOnce() -> Result<(), Error>) -> Result<Vec<Duration>, Error> {
    let started = Instant::now();
    once()?;
    Ok(vec![started.elapsed()])
}

/// Runs a program that reads all of it.
fn fed(mut command: Command) -> Result<(), Error> {
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(Error::system("run a program"))?;
    let mut stdin = child.stdin.take().ok_or(Error::Wrong("a program"))?;
    let chunk = vec![BYTE; CHUNK];
    let written = chunks().try_for_each(|length| stdin.write_all(&chunk[..length]));
    drop(stdin);
    let status = child.wait().map_err(Error::system("wait for a program"))?;
    written.map_err(Error::system("write to a program"))?;
    if status.success() { Ok(()) } else { Err(Error::Wrong("ctl encrypt")) }
}

/// The most memory that something had, in bytes.
struct Most {
    first: u64,
    all: u64,
}

impl Most {
    fn look(&mut self, now: u64) {
        if self.first == 0 {
            self.first = now;
        }
        self.all = self.all.max(now);
    }

    fn row(&self, what: &'static str) -> Row {
        Row {
            what,
            secrets: None,
            floor: Some(bytes(self.first)),
            ours: bytes(self.all),
            ratios: Vec::new(),
            budget: Budget::Bytes { is: self.all, most: self.first + CONSTANT },
        }
    }
}

/// Runs a program that prints all of it, compares that, and looks meanwhile what the program had at most, and the daemon
/// at each look.
fn looked_at(mut command: Command, daemon: u32) -> Result<[Most; 2], Error> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(Error::system("run a program"))?;
    let mut stdout = child.stdout.take().ok_or(Error::Wrong("a program"))?;
    let (whole, mut buffer) = (vec![BYTE; CHUNK], vec![0; CHUNK]);
    let mut most = [Most { first: 0, all: 0 }, Most { first: 0, all: 0 }];
    let (mut all, mut next) = (0, LOOK);
    loop {
        let read = stdout.read(&mut buffer).map_err(Error::system("read what a program prints"))?;
        if read == 0 {
            break;
        }
        if buffer[..read] != whole[..read] {
            return Err(Error::Wrong("ctl decrypt"));
        }
        all += read;
        // There is more to come, so that it is there. The daemon's mark would be that of the unlock.
        if all >= next && all < GIB {
            next = all + LOOK;
            most[0].look(of_status(child.id(), "VmHWM:")?);
            most[1].look(of_status(daemon, "VmRSS:")?);
        }
    }
    let status = child.wait().map_err(Error::system("wait for a program"))?;
    if status.success() && all == GIB { Ok(most) } else { Err(Error::Wrong("ctl decrypt")) }
}
