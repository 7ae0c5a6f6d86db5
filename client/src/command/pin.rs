//! `ctl pin`: the approval PIN, which answers questions where the master password was not typed.

use glassdome_proto::Code;

use crate::cli::{Command, connect};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{PasswordArgs, Source, TRIES};
use crate::pin::Pin;
use crate::proof::with_password;
use crate::terminal::Terminal;
use crate::text::notice;

/// What can be typed behind `ctl pin`.
#[derive(clap::Args)]
pub(crate) struct PinCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Choose the PIN, which is asked for twice; takes the master password
    Set {
        /// Take the new PIN from the first line of descriptor N
        #[arg(long, value_name = "N")]
        pin_fd: Option<u32>,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Have no PIN from now on; takes the master password
    Remove {
        #[command(flatten)]
        password: PasswordArgs,
    },
}

impl Command for PinCommand {
    const NAME: &'static str = "pin";
    const ABOUT: &'static str = "Choose the PIN that answers questions in a terminal that is not granted";
    const EXAMPLES: &'static str = "ctl pin set\nctl pin remove";

    fn run(self) -> Result<Exit, Error> {
        let mut connection = connect()?;
        // Greets the daemon before anybody is asked; see `unlock`.
        connection.require_session()?;
        match self.what {
            What::Set { pin_fd, password } => set(&mut connection, pin_fd, &password),
            What::Remove { password } => {
                let mut source = Source::open(&password)?;
                with_password(&mut source, |password| connection.set_pin(password, None))?;
                notice::done("there is no approval PIN any more");
                Ok(Exit::Ok)
            }
        }
    }
}

/// Where a new PIN comes from.
enum Place {
    Person(Terminal),
    Descriptor(u32),
}

impl Place {
    fn choose(&self) -> Result<Pin, Error> {
        match self {
            Self::Person(terminal) => Pin::chosen(terminal),
            Self::Descriptor(number) => Pin::by_descriptor(*number),
        }
    }
}

fn set(connection: &mut Connection, pin_fd: Option<u32>, password: &PasswordArgs) -> Result<Exit, Error> {
    let mut source = Source::open(password)?;
    let place = match pin_fd {
        Some(number) => Place::Descriptor(number),
        None => Place::Person(Terminal::open().ok_or(Error::NoInput(
            "a new PIN is needed and there is no terminal to ask on: use --pin-fd N",
        ))?),
    };
    let mut master = source.present("Master password: ")?;
    let mut pin = place.choose()?;
    for rest in (0..TRIES).rev() {
        let error = match connection.set_pin(master.wire(), Some(pin.wire())) {
            Ok(()) => break,
            Err(error) if rest == 0 => return Err(error),
            Err(error) => error,
        };
        match (error.code(), &place) {
            (Some(Code::WeakPassword), Place::Person(terminal)) => {
                terminal.say(&error.to_string())?;
                pin = place.choose()?;
            }
            (Some(Code::WrongPassword | Code::Throttled), _) if source.can_ask_again() => {
                source.retry(error)?;
                master = source.present("Master password: ")?;
            }
            _ => return Err(error),
        }
    }
    notice::done(
        "the approval PIN is set: it answers questions where you did not unlock, and does nothing else",
    );
    Ok(Exit::Ok)
}
