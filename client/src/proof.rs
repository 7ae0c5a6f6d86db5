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
