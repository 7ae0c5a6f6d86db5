//! Where a master password comes from: the terminal, one line of stdin, or one line of a descriptor.
//! Never an argument or the environment, which other processes can read.

use std::io::stdin;
use std::os::fd::{AsFd, OwnedFd};

use glassdome_proto::session::Password as Wire;
use glassdome_proto::{Code, limits};
use zeroize::Zeroizing;

use crate::descriptor::{Lines, inherited};
use crate::error::Error;
use crate::terminal::Terminal;

const WHAT: &str = "a master password";
/// How often a person is asked for a password, a PIN or a code before it is given up.
pub(crate) const TRIES: u32 = 3;

/// The options that every command that needs the master password has.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct PasswordArgs {
    /// Take the master password from the first line of stdin, and ask nothing
    #[arg(long, conflicts_with = "password_fd")]
    pub(crate) password_stdin: bool,
    /// Take the master password from the first line of descriptor N, and ask nothing
    #[arg(long, value_name = "N")]
    pub(crate) password_fd: Option<u32>,
}

impl PasswordArgs {
    /// Whether they name a place to take it from.
    pub(crate) fn any(&self) -> bool {
        self.password_stdin || self.password_fd.is_some()
    }
}

/// A master password; wiped when dropped, never shown.
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Err(Error::Usage("the master password is empty: nothing was done".into()));
        }
        if bytes.len() > limits::PASSWORD {
            return Err(Error::TooLong { what: WHAT, max: limits::PASSWORD });
        }
        Ok(Self(bytes))
    }

    /// As it travels to the daemon.
    pub(crate) fn wire(&self) -> Wire<'_> {
        Wire::new(&self.0).expect("its length was judged when it was made")
    }
}

/// Where to take passwords from, in the order in which they are asked for.
pub(crate) enum Source {
    /// A person, who can be asked again.
    Person(Terminal),
    /// Lines of stdin or of a descriptor.
    Lines(Lines<OwnedFd>),
}

impl Source {
    /// What the options say; a terminal if they say nothing.
    ///
    /// # Errors
    /// [`Error::NoInput`] when there is none either.
    pub(crate) fn open(options: &PasswordArgs) -> Result<Self, Error> {
        if options.password_stdin {
            let stdin = stdin().as_fd().try_clone_to_owned().map_err(Error::ReadInput)?;
            return Ok(Self::Lines(Lines(stdin)));
        }
        if let Some(number) = options.password_fd {
            return Ok(Self::Lines(Lines(inherited(number)?)));
        }
        Terminal::open().map(Self::Person).ok_or(Error::NoInput(
            "the master password is needed and there is no terminal to ask on: \
             use --password-stdin or --password-fd N",
        ))
    }

    /// Whether it makes sense to ask once more.
    pub(crate) fn can_ask_again(&self) -> bool {
        matches!(self, Self::Person(_))
    }

    /// Tells the person something; a script is told nothing.
    pub(crate) fn say(&self, line: &str) -> Result<(), Error> {
        match self {
            Self::Person(terminal) => terminal.say(line),
            Self::Lines(_) => Ok(()),
        }
    }

    /// Tells a person what was wrong and waits as long as the daemon asks for; what another password
    /// does not mend is an error.
    ///
    /// # Errors
    /// `error` itself, or [`Error::Interrupted`].
    pub(crate) fn retry(&self, error: Error) -> Result<(), Error> {
        let Error::Refused {
            code: Code::WrongPassword | Code::WeakPassword | Code::Throttled,
            ref message,
            retry_after,
        } = error
        else {
            return Err(error);
        };
        let Some(wait) = retry_after else { return self.say(message) };
        self.say(&format!("{message}. Next try in {} s.", wait.as_millis().div_ceil(1000)))?;
        match self {
            Self::Person(terminal) => terminal.pause(wait),
            Self::Lines(_) => {
                std::thread::sleep(wait);
                Ok(())
            }
        }
    }

    /// The present master password.
    ///
    /// # Errors
    /// [`Error::NoInput`] when the input ends before it.
    pub(crate) fn present(&mut self, prompt: &str) -> Result<Password, Error> {
        let bytes = match self {
            Self::Person(terminal) => terminal.ask_hidden(prompt, WHAT, limits::PASSWORD)?,
            Self::Lines(lines) => lines
                .next(WHAT, limits::PASSWORD)?
                .ok_or(Error::NoInput("the master password is missing: the input is at its end"))?,
        };
        Password::new(bytes)
    }

    /// A new master password, which a person types twice.
    ///
    /// # Errors
    /// [`Error::NotTheSame`] after three pairs that differ.
    pub(crate) fn new_password(&mut self) -> Result<Password, Error> {
        if let Self::Person(terminal) = self {
            return ask_twice(terminal, "New master password", WHAT, limits::PASSWORD)
                .and_then(Password::new);
        }
        self.present("")
    }
}

/// Asks for something new until it was typed the same way twice, three times at most.
pub(crate) fn ask_twice(
    terminal: &Terminal,
    prompt: &str,
    what: &'static str,
    max: usize,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    for rest in (0..TRIES).rev() {
        let first = terminal.ask_hidden(&format!("{prompt} (not shown): "), what, max)?;
        if first.is_empty() {
            return Err(Error::Usage("nothing was typed: nothing was done".into()));
        }
        let second = terminal.ask_hidden("Once more: ", what, max)?;
        // Both were typed by the same person at this terminal: no clock to hide from.
        if first == second {
            return Ok(first);
        }
        if rest > 0 {
            terminal.say("They differ. Again:")?;
        }
    }
    Err(Error::NotTheSame)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    fn lines(bytes: &[u8]) -> Source {
        let (read_end, write_end) = rustix::pipe::pipe().unwrap();
        File::from(write_end).write_all(bytes).unwrap();
        Source::Lines(Lines(read_end))
    }

    #[test]
    fn one_line_is_one_password() {
        let mut source = lines(b"old one\nnew one");
        assert_eq!(source.present("").unwrap().wire().expose(), b"old one");
        assert_eq!(source.new_password().unwrap().wire().expose(), b"new one");
        assert!(matches!(source.present(""), Err(Error::NoInput(_))));
        assert!(!source.can_ask_again());
    }

    #[test]
    fn empty_and_overlong_passwords_are_refused() {
        assert!(matches!(lines(b"\n").present(""), Err(Error::Usage(_))));
        let long = [b'x'; limits::PASSWORD + 1];
        assert!(matches!(lines(&long).present(""), Err(Error::TooLong { .. })));
        assert!(lines(&long[1..]).present("").is_ok());
    }
}
