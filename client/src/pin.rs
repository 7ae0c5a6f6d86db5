//! The approval PIN, as a client takes it and asks about it: it answers questions where the master password was
//! not typed. Nothing here asks for that password in its place.

use glassdome_proto::pin::{Pin as Wire, PinState, Proof};
use glassdome_proto::session::{Answer as SessionAnswer, Password, Request};
use glassdome_proto::{Answer, Body, Code, limits};
use rustix::termios::isatty;
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::descriptor::{Lines, inherited, keep_from_others};
use crate::error::Error;
use crate::password::{TRIES, ask_twice};
use crate::terminal::Terminal;

const WHAT: &str = "an approval PIN";
/// A PIN; wiped when dropped, never shown.
pub(crate) struct Pin(Zeroizing<Vec<u8>>);

impl Pin {
    /// The first line of the descriptor `number`, which goes on to no other program.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is not open, is a terminal, or the line is empty; [`Error::NoInput`], [`Error::TooLong`].
    pub(crate) fn by_descriptor(number: u32) -> Result<Self, Error> {
        let descriptor = inherited(number)?;
        if isatty(&descriptor) {
            let message =
                format!("descriptor {number} is a terminal, which would show the PIN: leave out --pin-fd");
            return Err(Error::Usage(message));
        }
        let line = Lines(descriptor).next(WHAT, limits::PIN)?;
        keep_from_others(number)?;
        Self::new(line.ok_or(Error::NoInput("the approval PIN is missing: the input is at its end"))?)
    }

    /// Asks a person for a new one, twice.
    ///
    /// # Errors
    /// [`Error::NotTheSame`] after three pairs that differ.
    pub(crate) fn chosen(terminal: &Terminal) -> Result<Self, Error> {
        ask_twice(terminal, "New approval PIN", WHAT, limits::PIN).and_then(Self::new)
    }

    fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Err(Error::Usage("the approval PIN is empty: nothing was done".into()));
        }
        if bytes.len() > limits::PIN {
            return Err(Error::TooLong { what: WHAT, max: limits::PIN });
        }
        Ok(Self(bytes))
    }

    /// As it travels to the daemon.
    pub(crate) fn wire(&self) -> Wire<'_> {
        Wire::new(&self.0).expect("its length was judged when it was made")
    }
}

/// Shows the PIN that a person types for this connection; asks up to three times.
///
/// # Errors
/// The daemon's last refusal; [`Error::NoInput`].
pub(crate) fn ask(connection: &mut Connection, terminal: &Terminal) -> Result<(), Error> {
    for rest in (0..TRIES).rev() {
        let typed =
            terminal.ask_hidden("Approval PIN (this terminal is not granted): ", WHAT, limits::PIN)?;
        let error = match connection.prove(Proof::Pin(Pin::new(typed)?.wire())) {
            Ok(()) => return Ok(()),
            Err(error) if rest == 0 => return Err(error),
            Err(error) => error,
        };
        // Without a time for the next try there is none.
        let Error::Refused {
            code: Code::WrongPassword | Code::Throttled,
            ref message,
            retry_after: Some(wait),
        } = error
        else {
            return Err(error);
        };
        terminal.say(&format!("{message}. Next try in {} s.", wait.as_millis().div_ceil(1000)))?;
        terminal.pause(wait)?;
    }
    unreachable!("the last try returns")
}

impl Connection {
    /// Shows that a person stands behind this connection: from then on it answers questions, its own too.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn prove(&mut self, proof: Proof<'_>) -> Result<(), Error> {
        match self.call(Body::Session(Request::Prove { proof }))? {
            Answer::Session(SessionAnswer::Proven) => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }

    /// Whether there is an approval PIN.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn pin_state(&mut self) -> Result<PinState, Error> {
        match self.call(Body::Session(Request::PinState))? {
            Answer::Session(SessionAnswer::PinState(state)) => Ok(state),
            _ => Err(Error::Unexpected),
        }
    }

    /// Makes the approval PIN another one, or takes it away.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn set_pin(&mut self, password: Password<'_>, pin: Option<Wire<'_>>) -> Result<(), Error> {
        match self.call(Body::Session(Request::SetPin { password, pin }))? {
            Answer::Session(SessionAnswer::PinSet) => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use rustix::io::{FdFlags, fcntl_getfd};

    use super::*;

    fn read(line: &[u8]) -> (Result<Pin, Error>, FdFlags) {
        let (read_end, write_end) = rustix::pipe::pipe().unwrap();
        File::from(write_end).write_all(line).unwrap();
        let pin = Pin::by_descriptor(u32::try_from(read_end.as_raw_fd()).unwrap());
        (pin, fcntl_getfd(&read_end).unwrap())
    }

    #[test]
    fn a_line_is_a_pin_and_its_descriptor_goes_no_further() {
        let (pin, flags) = read(b"402913\nmore");
        assert_eq!(pin.unwrap().wire().expose(), b"402913");
        assert_eq!(flags, FdFlags::CLOEXEC);
        assert!(matches!(read(b"\n").0, Err(Error::Usage(_))));
        assert!(matches!(read(b"").0, Err(Error::NoInput(_))));
        assert!(matches!(read(&[b'1'; limits::PIN + 1]).0, Err(Error::TooLong { .. })));
        assert_eq!(read(&[b'1'; limits::PIN]).0.unwrap().wire().expose().len(), limits::PIN);
    }
}
