//! `ctl passwd`: seal the vault with another master password.

use glassdome_proto::{Answer, Body, Code, session};

use crate::cli::{Command, connect};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{Password, PasswordArgs, Source, TRIES};
use crate::text::notice;

/// What can be typed behind `ctl passwd`.
#[derive(clap::Args)]
pub(crate) struct Passwd {
    #[command(flatten)]
    password: PasswordArgs,
    /// Take a new master password that is easy to guess
    #[arg(long)]
    accept_weak: bool,
}

impl Command for Passwd {
    const NAME: &'static str = "passwd";
    const ABOUT: &'static str =
        "Change the master password; a script gives two lines: the present one and the new one";
    const EXAMPLES: &'static str = "ctl passwd\nctl passwd --password-fd 3 3< both-lines";

    fn run(self) -> Result<Exit, Error> {
        let mut connection = connect()?;
        // Greets the daemon before anybody is asked; see `unlock`.
        connection.require_session()?;
        let mut source = Source::open(&self.password)?;
        let mut old = source.present("Present master password: ")?;
        let mut new = source.new_password()?;
        for rest in (0..TRIES).rev() {
            let error = match change(&mut connection, &old, &new, self.accept_weak) {
                Ok(()) => break,
                Err(error) if rest == 0 || !source.can_ask_again() => return Err(error),
                Err(error) => error,
            };
            let weak = error.code() == Some(Code::WeakPassword);
            source.retry(error)?;
            if weak {
                new = source.new_password()?;
            } else {
                old = source.present("Present master password: ")?;
            }
        }
        notice::done("the master password is changed; the session goes on");
        Ok(Exit::Ok)
    }
}

fn change(
    connection: &mut Connection,
    old: &Password,
    new: &Password,
    accept_weak: bool,
) -> Result<(), Error> {
    let (old, new) = (old.wire(), new.wire());
    let request = session::Request::ChangePassword { old, new, accept_weak };
    match connection.call(Body::Session(request))? {
        Answer::Session(session::Answer::PasswordChanged) => Ok(()),
        _ => Err(Error::Unexpected),
    }
}
