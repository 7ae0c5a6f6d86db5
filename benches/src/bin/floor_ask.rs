//! The floor of a program that asks a daemon: connects, asks, prints. `floor_ask SOCKET`.
#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// As `floor_echo` has them.
const ASKED: usize = 64;
const ANSWERED: usize = 128;

fn main() -> io::Result<()> {
    let socket = std::env::args_os().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(&[b'?'; ASKED])?;
    let mut answer = [0; ANSWERED];
    stream.read_exact(&mut answer)?;
    rustix::io::write(io::stdout().as_fd(), &answer)?;
    Ok(())
}
