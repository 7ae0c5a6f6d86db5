//! What a shell knows and no program that it runs: a token that `ctl shell-init` has it keep and hand
//! over by descriptor, so that a command that was typed can be told from one that a program ran.
//!
//! ```text
//! ctl [--token-fd N [--stdin-fd M]] COMMAND …
//! ```
//! Both options come first, and only the functions of `ctl shell-init` give them. `N` is a number, or
//! the path that a shell puts in place of a process substitution: `/dev/fd/N`. Where the token can
//! only come on stdin, `M` is what stdin was.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use glassdome_proto::{Bytes, limits};
use glassdome_sys::close_on_exec;
use rustix::stdio::dup2_stdin;
use zeroize::Zeroizing;

use crate::descriptor::{inherited, read_all};
use crate::error::Error;

/// A shell's token; wiped when dropped, never shown.
pub struct ShellToken(Zeroizing<Vec<u8>>);

impl ShellToken {
    /// As it travels to the daemon.
    pub(crate) fn wire(&self) -> Bytes<'_, { limits::TOKEN }> {
        Bytes::new(&self.0).expect("no more was read")
    }

    #[cfg(test)]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }
}

/// The token that came with this command line. A process has one command line.
static GIVEN: OnceLock<ShellToken> = OnceLock::new();

/// The token that came with this command line, if one did.
pub(crate) fn given() -> Option<&'static ShellToken> {
    GIVEN.get()
}

/// Takes the options for the token off the front of a command line, reads the token, and puts stdin
/// back. Returns the rest of the command line.
///
/// # Errors
/// [`Error::Usage`] for a descriptor that is none, [`Error::TooLong`], [`Error::ReadInput`].
pub(crate) fn receive(mut args: Vec<OsString>) -> Result<Vec<OsString>, Error> {
    let Some(from) = option(&mut args, "--token-fd")? else { return Ok(args) };
    let stdin = option(&mut args, "--stdin-fd")?;
    let token = read_all(taken(from)?, "a shell's token", limits::TOKEN)?;
    // A shell that lost its token has none to show.
    if !token.is_empty() {
        GIVEN.get_or_init(|| ShellToken(token));
    }
    if let Some(number) = stdin {
        dup2_stdin(taken(number)?).map_err(|error| Error::ReadInput(error.into()))?;
    }
    Ok(args)
}

/// The descriptor `number`, which was for us alone: it is not there for what `ctl run` becomes.
fn taken(number: u32) -> Result<OwnedFd, Error> {
    let descriptor = inherited(number)?;
    // 0 to 2 are everybody's. There is a descriptor of that number, or none could have been taken.
    if let Some(number) = i32::try_from(number).ok().filter(|number| *number > 2) {
        close_on_exec(number).map_err(Error::ReadInput)?;
    }
    Ok(descriptor)
}

/// Takes the option `name` and its value off, if it stands right behind the program's name.
fn option(args: &mut Vec<OsString>, name: &str) -> Result<Option<u32>, Error> {
    if args.get(1).is_none_or(|arg| arg != name) {
        return Ok(None);
    }
    let value = args.get(2).and_then(|value| value.to_str()).and_then(descriptor_number);
    let number = value.ok_or_else(|| Error::Usage(format!("{name} needs the number of a descriptor")))?;
    args.drain(1..=2);
    Ok(Some(number))
}

/// `63`, `/dev/fd/63` (bash) and `/proc/self/fd/63` (zsh).
fn descriptor_number(text: &str) -> Option<u32> {
    let number = ["/dev/fd/", "/proc/self/fd/"].iter().find_map(|place| text.strip_prefix(place));
    number.unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use super::*;

    fn line(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn pipe_with(bytes: &[u8]) -> OwnedFd {
        let (read_end, write_end) = rustix::pipe::pipe().unwrap();
        File::from(write_end).write_all(bytes).unwrap();
        read_end
    }

    #[test]
    fn a_command_line_without_a_token_stays_as_it_is() {
        for words in [&["ctl"][..], &["ctl", "get", "--token-fd", "3"], &["ctl", "--stdin-fd", "3"]] {
            assert_eq!(receive(line(words)).unwrap(), line(words));
        }
    }

    #[test]
    fn a_token_is_read_and_its_option_taken_off() {
        let pipe = pipe_with(b"0123456789abcdef");
        let path = format!("/dev/fd/{}", pipe.as_raw_fd());
        let rest = receive(line(&["ctl", "--token-fd", &path, "get", "a"])).unwrap();
        assert_eq!(rest, line(&["ctl", "get", "a"]));
        assert_eq!(given().unwrap().wire().expose(), b"0123456789abcdef");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for value in ["x", "-1", "/dev/fd/", "/etc/passwd", "/dev/fd/3x", "/proc/1/fd/3", ""] {
            let refused = receive(line(&["ctl", "--token-fd", value]));
            assert!(matches!(refused, Err(Error::Usage(_))), "{value}");
        }
        assert!(matches!(receive(line(&["ctl", "--token-fd"])), Err(Error::Usage(_))));
        assert!(matches!(receive(line(&["ctl", "--token-fd", "900000", "status"])), Err(Error::Usage(_))));
        let pipe = pipe_with(&[b'x'; limits::TOKEN + 1]);
        let number = pipe.as_raw_fd().to_string();
        let refused = receive(line(&["ctl", "--token-fd", &number, "status"]));
        assert!(matches!(refused, Err(Error::TooLong { max: limits::TOKEN, .. })));
    }

    #[test]
    fn shells_name_descriptors_in_three_ways() {
        assert_eq!(descriptor_number("63"), Some(63));
        assert_eq!(descriptor_number("/dev/fd/63"), Some(63));
        assert_eq!(descriptor_number("/proc/self/fd/11"), Some(11));
    }
}
