//! Has the person's own `gpg` decrypt a file. Its passphrase is between it, its agent and the person: pinentry asks.
//! The file goes in by a descriptor that was opened here, the plaintext comes out by a pipe, into a buffer that is wiped;
//! neither is ever a file. What it says on stderr is kept short, and made fit for a terminal by whoever shows it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::termios::ttyname;

use super::Value;
use crate::descriptor::read_all;
use crate::error::Error;

/// Bytes of its messages that are read; what follows is let go.
const MESSAGES: usize = 16 * 1024;

/// Why a file did not open, in its own words.
pub(crate) struct Undecrypted(pub(crate) String);

/// Decrypts one file of at most `max` bytes of plaintext.
///
/// # Errors
/// [`Error::Gpg`] if there is none.
pub(crate) fn decrypt(file: File, max: usize) -> Result<Result<Value, Undecrypted>, Error> {
    let failed = Error::Gpg;
    let mut command = Command::new("gpg");
    command.args(["--quiet", "--batch", "--no-encrypt-to", "--decrypt"]);
    if std::env::var_os("GPG_TTY").is_none()
        && let Some(terminal) = terminal()
    {
        // As pass does: where a pinentry without windows asks.
        command.env("GPG_TTY", terminal);
    }
    let mut child =
        command.stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let (Some(output), Some(messages)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed(io::ErrorKind::BrokenPipe.into()));
    };
    // Both at a time, or one that nobody reads would hold it up.
    let (read, said) = thread::scope(|scope| {
        let said = scope.spawn(|| said(messages));
        let read = read_all(output.as_fd(), "a file of the store", max);
        // Whoever has more to say than is read is told so by a broken pipe.
        drop(output);
        (read, said.join().unwrap_or_default())
    });
    let status = ended(&mut child).map_err(failed)?;
    match read {
        Err(Error::TooLong { .. }) => {
            Ok(Err(Undecrypted(format!("longer than the {max} bytes that a secret may have"))))
        }
        Err(error) => Err(error),
        Ok(value) if status => Ok(Ok(value)),
        Ok(_) => Ok(Err(Undecrypted(why(&said)))),
    }
}

fn ended(child: &mut Child) -> io::Result<bool> {
    Ok(child.wait()?.success())
}

fn said(mut messages: impl Read) -> String {
    let mut kept = Vec::new();
    // What is broken off is all that there is.
    messages.by_ref().take(MESSAGES as u64).read_to_end(&mut kept).ok();
    io::copy(&mut messages, &mut io::sink()).ok();
    String::from_utf8_lossy(&kept).into_owned()
}

/// Its last word, which says what became of it.
fn why(said: &str) -> String {
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.unwrap_or("gpg failed without a word").to_owned()
}

fn terminal() -> Option<String> {
    let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    streams.into_iter().find_map(|stream| ttyname(stream, Vec::new()).ok()?.into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_is_what_is_told() {
        assert_eq!(
            why("gpg: a\ngpg: decryption failed: No secret key\n\n"),
            "gpg: decryption failed: No secret key"
        );
        assert!(why("\n").contains("without a word"));
    }
}
