//! Asking for the master password where a command needs it besides an open session: always, or only
//! where no granted terminal asks.

use glassdome_proto::Code;
use glassdome_proto::session::Password as Wire;

use crate::connection::Connection;
use crate::error::Error;
use crate::password::{PasswordArgs, Source};
use crate::terminal::Terminal;

/// How often a person is asked.
const TRIES: u32 = 3;

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

/// Does what takes the master password only where no granted terminal asks. A password that the options
/// name goes along at once; a person is asked when the daemon refused without one.
///
/// # Errors
/// What `act` says in the end; the refusal itself where there is nobody to ask.
pub(crate) fn with_proof<T>(
    connection: &mut Connection,
    options: &PasswordArgs,
    mut act: impl FnMut(&mut Connection, Option<Wire<'_>>) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut source = if options.any() {
        // Greets the daemon before the password is read; see `unlock`.
        connection.require_session()?;
        Source::open(options)?
    } else {
        match act(connection, None) {
            Err(refusal) if refusal.code() == Some(Code::Denied) => {
                let Some(terminal) = Terminal::open() else { return Err(refusal) };
                terminal.say(&refusal.to_string())?;
                Source::Person(terminal)
            }
            other => return other,
        }
    };
    with_password(&mut source, |password| act(connection, Some(password)))
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

    fn by_descriptor(line: &[u8]) -> (PasswordArgs, std::os::fd::OwnedFd) {
        let (read_end, write_end) = rustix::pipe::pipe().unwrap();
        File::from(write_end).write_all(line).unwrap();
        let number = u32::try_from(read_end.as_raw_fd()).unwrap();
        (PasswordArgs { password_stdin: false, password_fd: Some(number) }, read_end)
    }

    fn revoke(options: PasswordArgs) -> impl FnOnce(Connection) -> Result<(), Error> {
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
        told(served, revoke(PasswordArgs::default())).unwrap();
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
        let error = told(served, revoke(PasswordArgs::default())).unwrap_err();
        assert_eq!(error.code(), Some(Code::NotFound));
    }

    #[test]
    fn a_script_is_asked_once() {
        let (options, _pipe) = by_descriptor(b"one\ntwo\n");
        let mut source = Source::open(&options).unwrap();
        let mut asked = Vec::new();
        let outcome: Result<(), Error> = with_password(&mut source, |password| {
            asked.push(password.expose().to_vec());
            Err(Error::from(Refusal::new(Code::WrongPassword, "wrong password")))
        });
        assert_eq!(outcome.unwrap_err().code(), Some(Code::WrongPassword));
        assert_eq!(asked, [b"one"]);
    }
}
