//! What a command needs besides an open session: the master password, always; or, only where no granted
//! terminal asks, whatever speaks for a person.

use glassdome_proto::Code;
use glassdome_proto::pin::{PinState, Proof};
use glassdome_proto::session::Password as Wire;

use crate::connection::Connection;
use crate::error::Error;
use crate::password::{PasswordArgs, Source, TRIES};
use crate::pin::{self, Pin};
use crate::terminal::Terminal;

/// Does what takes the master password: asks a person up to three times, takes a script's answer once.
///
/// # Errors
/// What `act` says in the end; [`Error::NoInput`].
pub(crate) fn with_password<T>(
    source: &mut Source,
    mut act: impl FnMut(Wire<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    for rest in (0..TRIES).rev() {
        let password = source.present("Master password: ")?;
        match act(password.wire()) {
            Err(error) if rest > 0 && source.can_ask_again() => source.retry(error)?,
            other => return other,
        }
    }
    unreachable!("the last try returns")
}

/// The options of every command that a granted terminal is asked for, or who speaks for a person elsewhere.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ProofArgs {
    #[command(flatten)]
    password: PasswordArgs,
    /// In a terminal that is not granted: take the approval PIN from the first line of descriptor N
    #[arg(long, value_name = "N", conflicts_with_all = ["password_stdin", "password_fd"])]
    pin_fd: Option<u32>,
}

/// Does what takes a granted terminal; elsewhere the approval PIN, or the master password, which is never asked
/// for here: who asks for it inside of other programs is not to be told from us. What the options name goes
/// along at once; a person is asked for the PIN when the daemon refused without one.
///
/// # Errors
/// What `act` says in the end; the refusal itself where there is no PIN, or nobody to ask.
pub(crate) fn with_proof<T>(
    connection: &mut Connection,
    options: &ProofArgs,
    mut act: impl FnMut(&mut Connection, Option<Wire<'_>>) -> Result<T, Error>,
) -> Result<T, Error> {
    if options.password.any() {
        // Greets the daemon before the password is read; see `unlock`.
        connection.require_session()?;
        let mut source = Source::open(&options.password)?;
        return with_password(&mut source, |password| act(connection, Some(password)));
    }
    if let Some(number) = options.pin_fd {
        // Greets the daemon before the PIN is read; see `unlock`.
        connection.require_session()?;
        connection.prove(Proof::Pin(Pin::by_descriptor(number)?.wire()))?;
        return act(connection, None);
    }
    match act(connection, None) {
        Err(refusal) if refusal.code() == Some(Code::Denied) => {
            if connection.pin_state()? != PinState::Set {
                return Err(refusal);
            }
            let Some(terminal) = Terminal::open() else { return Err(refusal) };
            pin::ask(connection, &terminal)?;
            act(connection, None)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use glassdome_proto::session::{self, State};
    use glassdome_proto::{Answer, Body, Outcome, Refusal, Request, decode, policy};

    use super::*;
    use crate::connection_tests::{Daemon, told};
    use crate::text::prompt::tests::unlocked;

    fn by_descriptor(line: &[u8]) -> (ProofArgs, std::os::fd::OwnedFd) {
        let (read_end, write_end) = rustix::pipe::pipe().unwrap();
        File::from(write_end).write_all(line).unwrap();
        let number = u32::try_from(read_end.as_raw_fd()).unwrap();
        let password = PasswordArgs { password_stdin: false, password_fd: Some(number) };
        (ProofArgs { password, pin_fd: None }, read_end)
    }

    fn revoke(options: ProofArgs) -> impl FnOnce(Connection) -> Result<(), Error> {
        move |mut connection| {
            with_proof(&mut connection, &options, |connection, proof| connection.revoke(3, proof))
        }
    }

    /// Serves one revocation, with the proof that came along.
    fn revoked(daemon: &mut Daemon, proof: Option<&[u8]>) {
        let frame = daemon.receive();
        let Request { id, body: Body::Policy(policy::Request::Revoke { id: 3, proof: brought }) } =
            decode(&frame).unwrap()
        else {
            panic!("not a revocation");
        };
        assert_eq!(brought.map(|brought| brought.expose().to_vec()), proof.map(<[u8]>::to_vec));
        daemon.reply(id, Outcome::Ok(Answer::Policy(policy::Answer::Revoked)));
    }

    #[test]
    fn a_granted_terminal_needs_no_password() {
        let served = |accepted| revoked(&mut Daemon::greeted(accepted), None);
        told(served, revoke(ProofArgs::default())).unwrap();
    }

    #[test]
    fn a_password_by_descriptor_goes_along_at_once() {
        let served = |accepted| {
            let mut daemon = Daemon::greeted(accepted);
            let frame = daemon.receive();
            let id = decode::<Request<'_>>(&frame).unwrap().id;
            daemon.reply(id, Outcome::Ok(Answer::Session(session::Answer::Status(unlocked(60)))));
            revoked(&mut daemon, Some(b"a password"));
        };
        let (options, _pipe) = by_descriptor(b"a password\n");
        told(served, revoke(options)).unwrap();
    }

    #[test]
    fn without_a_session_no_password_is_read() {
        let served = |accepted| {
            let mut daemon = Daemon::greeted(accepted);
            let frame = daemon.receive();
            let id = decode::<Request<'_>>(&frame).unwrap().id;
            let locked = session::Status { state: State::Locked, ..unlocked(60) };
            daemon.reply(id, Outcome::Ok(Answer::Session(session::Answer::Status(locked))));
        };
        let (options, pipe) = by_descriptor(b"a password\n");
        assert_eq!(told(served, revoke(options)).unwrap_err().code(), Some(Code::Locked));
        assert_eq!(rustix::io::ioctl_fionread(&pipe).unwrap(), 11, "it is still in the pipe");
    }

    #[test]
    fn what_a_password_does_not_mend_is_not_asked_about() {
        let served = |accepted| {
            let mut daemon = Daemon::greeted(accepted);
            let frame = daemon.receive();
            let id = decode::<Request<'_>>(&frame).unwrap().id;
            daemon.reply(id, Outcome::Err(Refusal::new(Code::NotFound, "no such grant")));
        };
        let error = told(served, revoke(ProofArgs::default())).unwrap_err();
        assert_eq!(error.code(), Some(Code::NotFound));
    }

    #[test]
    fn a_script_is_asked_once() {
        let (options, _pipe) = by_descriptor(b"one\ntwo\n");
        let mut source = Source::open(&options.password).unwrap();
        let mut asked = Vec::new();
        let outcome: Result<(), Error> = with_password(&mut source, |password| {
            asked.push(password.expose().to_vec());
            Err(Error::from(Refusal::new(Code::WrongPassword, "wrong password")))
        });
        assert_eq!(outcome.unwrap_err().code(), Some(Code::WrongPassword));
        assert_eq!(asked, [b"one"]);
    }
}
