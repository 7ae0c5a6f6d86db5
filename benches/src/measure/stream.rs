//! Data outside the vault, decrypted by `ctl decrypt` out of a file, beside the bare cipher over the same chunks in
//! this process. What ctl, the daemon and the socket between them add is paid for in part by the second processor.

use std::fs::File;
use std::io::Write;
use std::process::Command;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce};
use glassdome_proto::crypto::CHUNK;

use crate::error::Error;
use crate::home::Home;
use crate::rounds::take_turns;
use crate::table::{Budget, Table};

use super::process::{printed, run};

const ROUNDS: usize = 4;
const CALLS: usize = 2;
/// Of 60 KiB each: 240 MiB in all.
const CHUNKS: usize = 4096;
const CONTEXT: &str = "bench/stream";

/// Measures it.
pub(crate) fn decrypted(home: &Home, table: &mut Table) -> Result<(), Error> {
    let (plain, sealed) = (home.path().join("stream"), home.path().join("stream.enc"));
    let mut file = File::create(&plain).map_err(Error::system("make a large file"))?;
    let chunk = vec![7; CHUNK];
    for _ in 0..CHUNKS {
        file.write_all(&chunk).map_err(Error::system("fill a large file"))?;
    }
    let mut encrypt = home.program("ctl");
    encrypt.args(["encrypt", "--context", CONTEXT]).arg(&plain).arg("--out").arg(&sealed);
    run(encrypt)?;
    let decrypt = || -> Command {
        let mut command = home.program("ctl");
        command.args(["decrypt", "--context", CONTEXT]).arg(&sealed);
        command
    };
    let back = printed(decrypt())?;
    if back.len() != CHUNKS * CHUNK || back.iter().any(|byte| *byte != 7) {
        return Err(Error::Wrong("ctl decrypt"));
    }
    let cipher = ChaCha20Poly1305::new(&Key::from([7; 32]));
    let mut text = vec![7; CHUNK];
    // In place, over and over: it does the same work as opening one chunk after the other.
    let mut bare = |_| {
        let sealed = cipher.encrypt_inout_detached(&Nonce::default(), &[], text.as_mut_slice().into());
        sealed.map(drop).map_err(|_| Error::Wrong("the cipher"))
    };
    let [floor, ours] =
        take_turns(ROUNDS, CALLS, [&mut |_| (0..CHUNKS).try_for_each(&mut bare), &mut |_| run(decrypt())])?;
    // Half the cipher's speed.
    table.times("`ctl decrypt` of 240 MiB", None, [&floor, &ours], Budget::Times(2.0));
    for path in [plain, sealed] {
        std::fs::remove_file(path).map_err(Error::system("remove a large file"))?;
    }
    Ok(())
}
