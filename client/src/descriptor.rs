//! Reads from stdin and from descriptors that the caller named, straight into buffers that are
//! wiped: the standard library's own buffers are not.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, read};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use rustix::stdio;
use zeroize::Zeroizing;

use crate::error::Error;

/// A duplicate of the descriptor `number` that this process was started with.
///
/// # Errors
/// [`Error::Usage`] when there is no such descriptor.
pub(crate) fn inherited(number: u32) -> Result<OwnedFd, Error> {
    let none = || Error::Usage(format!("descriptor {number} is not open"));
    let number = i32::try_from(number).map_err(|_| none())?;
    let duplicate = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|own| pidfd_getfd(own, number, PidfdGetfdFlags::empty()));
    match duplicate {
        Ok(descriptor) => Ok(descriptor),
        Err(Errno::BADF) => Err(none()),
        Err(error) => Err(Error::ReadInput(error.into())),
    }
}

/// What a secret was read from goes on to no program that this one becomes.
///
/// # Errors
/// [`Error::ReadInput`].
pub(crate) fn keep_from_others(number: u32) -> Result<(), Error> {
    let number =
        i32::try_from(number).map_err(|_| Error::Usage(format!("descriptor {number} is not open")))?;
    glassdome_sys::close_on_exec(number).map_err(Error::ReadInput)
}

/// The same descriptor by a number that is in nobody's way: shells and scripts use the low ones for
/// themselves (`exec 3> log`), and Node.js keeps those below 17 from what it starts (libuv,
/// `uv_disable_stdio_inheritance`). It closes on exec.
pub(crate) fn out_of_the_way(descriptor: OwnedFd) -> OwnedFd {
    const FIRST: i32 = 100;
    // Where a process may not have so many, the one that is there must do.
    fcntl_dupfd_cloexec(&descriptor, FIRST).unwrap_or(descriptor)
}

/// Has a standard stream that closes on exec lead nowhere instead: a program takes the lowest free number for the
/// first file that it opens, and would have that for its own input or output.
///
/// # Errors
/// What the system says.
pub(crate) fn fill_standard() -> io::Result<()> {
    let closes = |stream: BorrowedFd<'_>| Ok::<_, io::Error>(fcntl_getfd(stream)?.contains(FdFlags::CLOEXEC));
    let nowhere = || File::options().read(true).write(true).open("/dev/null");
    if closes(stdio::stdin())? {
        stdio::dup2_stdin(nowhere()?)?;
    }
    if closes(stdio::stdout())? {
        stdio::dup2_stdout(nowhere()?)?;
    }
    if closes(stdio::stderr())? {
        stdio::dup2_stderr(nowhere()?)?;
    }
    Ok(())
}

/// Lines from a descriptor, read byte by byte: what follows the lines asked for stays for others.
pub(crate) struct Lines<Fd: AsFd>(pub(crate) Fd);

impl<Fd: AsFd> Lines<Fd> {
    /// The next line without its newline; `None` at the end of the input.
    ///
    /// # Errors
    /// [`Error::TooLong`] for a line of more than `max` bytes; the rest of it is not read.
    pub(crate) fn next(
        &mut self,
        what: &'static str,
        max: usize,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let mut line = Zeroizing::new(Vec::with_capacity(max));
        let mut byte = Zeroizing::new([0u8; 1]);
        loop {
            match read(&self.0, &mut byte[..]) {
                Ok(0) if line.is_empty() => return Ok(None),
                Ok(0) => break,
                Ok(_) if byte[0] == b'\n' => break,
                Ok(_) if line.len() == max => return Err(Error::TooLong { what, max }),
                Ok(_) => line.push(byte[0]),
                Err(Errno::INTR) => {}
                Err(error) => return Err(Error::ReadInput(error.into())),
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }
}

/// Everything up to the end of the input, at most `max` bytes.
///
/// # Errors
/// [`Error::TooLong`] when there is more.
pub(crate) fn read_all(
    descriptor: impl AsFd,
    what: &'static str,
    max: usize,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    // One byte more than allowed tells a value that just fits from one that does not.
    let mut bytes = Zeroizing::new(vec![0; max + 1]);
    let mut have = 0;
    while have < bytes.len() {
        match read(&descriptor, &mut bytes[have..]) {
            Ok(0) => break,
            Ok(len) => have += len,
            Err(Errno::INTR) => {}
            Err(error) => return Err(Error::ReadInput(error.into())),
        }
    }
    if have > max {
        return Err(Error::TooLong { what, max });
    }
    bytes.truncate(have);
    Ok(bytes)
}

/// A whole file, at most `max` bytes.
///
/// # Errors
/// [`Error::ReadFile`], and [`Error::TooLong`] when there is more.
pub(crate) fn read_file(path: &Path, max: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    match read_all(File::open(path).map_err(failed)?, "the file", max) {
        Err(Error::ReadInput(source)) => Err(failed(source)),
        other => other,
    }
}

/// Reads what is there, or waits for something to be there; nothing is the end.
///
/// # Errors
/// What the kernel says.
pub(crate) fn read_some(descriptor: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match read(&descriptor, &mut *buffer) {
            Err(Errno::INTR) => {}
            read => return Ok(read?),
        }
    }
}

/// Writes all of `bytes`.
///
/// # Errors
/// What the kernel says.
pub(crate) fn write_all(descriptor: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&descriptor, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => bytes = &bytes[len..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use super::*;

    fn pipe_with(bytes: &[u8]) -> OwnedFd {
        let (read_end, write_end) = rustix::pipe::pipe().unwrap();
        File::from(write_end).write_all(bytes).unwrap();
        read_end
    }

    #[test]
    fn a_line_loses_its_newline_and_nothing_else() {
        let mut lines = Lines(pipe_with(b" one \ntwo\r\n\nlast"));
        let mut next = || lines.next("a line", 8).unwrap().map(|line| line.to_vec());
        assert_eq!(next().unwrap(), b" one ");
        assert_eq!(next().unwrap(), b"two");
        assert_eq!(next().unwrap(), b"");
        assert_eq!(next().unwrap(), b"last");
        assert_eq!(next(), None);
    }

    #[test]
    fn a_line_over_its_limit_is_refused() {
        let mut lines = Lines(pipe_with(b"123456789\n"));
        assert!(matches!(lines.next("a line", 8), Err(Error::TooLong { max: 8, .. })));
        let mut lines = Lines(pipe_with(b"12345678\n"));
        assert_eq!(&*lines.next("a line", 8).unwrap().unwrap(), b"12345678");
    }

    #[test]
    fn everything_is_read_up_to_the_limit() {
        assert_eq!(&*read_all(pipe_with(b"a\n\0b\n"), "x", 5).unwrap(), b"a\n\0b\n");
        assert!(matches!(read_all(pipe_with(b"123456"), "x", 5), Err(Error::TooLong { max: 5, .. })));
    }

    #[test]
    fn a_descriptor_gets_out_of_the_way() {
        let pipe = out_of_the_way(pipe_with(b"x"));
        assert!(pipe.as_raw_fd() >= 100);
        assert!(rustix::io::fcntl_getfd(&pipe).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        assert_eq!(&*read_all(&pipe, "x", 5).unwrap(), b"x");
    }

    #[test]
    fn a_descriptor_is_taken_by_its_number() {
        let pipe = pipe_with(b"secret\n");
        let number = u32::try_from(pipe.as_raw_fd()).unwrap();
        let line = Lines(inherited(number).unwrap()).next("x", 9).unwrap().unwrap();
        assert_eq!(&*line, b"secret");
        assert!(matches!(inherited(900_000), Err(Error::Usage(_))));
        assert!(matches!(inherited(u32::MAX), Err(Error::Usage(_))));
    }
}
