//! `ctl slots`: what opens the vault. Beside the master password that can be a recovery code, made by this program,
//! shown once, and typed wherever the master password is asked for.

use std::io::stdout;
use std::path::PathBuf;

use glassdome_proto::settings::{
    Answer as SettingsAnswer, RecoveryChange, RecoveryCode, Request, Slot, SlotKind,
};
use glassdome_proto::{Answer, Body, recovery};
use zeroize::Zeroizing;

use crate::cli::{Command, connect, print, print_json};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{PasswordArgs, Source};
use crate::proof::with_password;
use crate::random_value::fill;
use crate::shown_once::{Fate, Place, Words, put};
use crate::text::notice;
use crate::text::style::Style;
use crate::text::table::columns;

pub(crate) const WORDS: Words = Words {
    what: "the recovery code",
    option: "--code-file",
    check: "Keep one from before, too, until this one has opened the vault: ctl unlock --renew",
};

/// What can be typed behind `ctl slots`.
#[derive(clap::Args)]
pub(crate) struct Slots {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show what opens the vault
    List {
        /// Print a JSON array for programs
        #[arg(long)]
        json: bool,
    },
    /// Make a recovery code, which is shown once; takes the master password
    Add {
        kind: Added,
        #[command(flatten)]
        shown: Shown,
    },
    /// Make another recovery code, and let the one before open nothing; takes the master password
    RotateRecovery {
        #[command(flatten)]
        shown: Shown,
    },
    /// Let the recovery code open nothing; takes the master password
    Remove {
        kind: Added,
        #[command(flatten)]
        password: PasswordArgs,
    },
}

/// What can be added to the master password.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Added {
    Recovery,
}

/// How a code is made, and where it is shown.
#[derive(clap::Args)]
struct Shown {
    /// Write the code to FILE, which must not be there yet, instead of showing it on the terminal
    #[arg(long, value_name = "FILE")]
    code_file: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordArgs,
}

/// A slot for programs.
#[derive(serde::Serialize)]
struct Document {
    id: u8,
    kind: &'static str,
    m_kib: u32,
    t: u32,
    p: u32,
}

impl Command for Slots {
    const NAME: &'static str = "slots";
    const ABOUT: &'static str =
        "Show what opens the vault, and make a recovery code for a forgotten master password";
    const EXAMPLES: &'static str =
        "ctl slots\nctl slots add recovery\nctl slots rotate-recovery\nctl slots remove recovery";

    fn run(self) -> Result<Exit, Error> {
        match self.what {
            None => list(false),
            Some(What::List { json }) => list(json),
            Some(What::Add { kind: Added::Recovery, shown }) => make(&shown, Made::First),
            Some(What::RotateRecovery { shown }) => make(&shown, Made::Another),
            Some(What::Remove { kind: Added::Recovery, password }) => remove(&password),
        }
    }
}

fn list(json: bool) -> Result<Exit, Error> {
    let mut connection = connect()?;
    let Answer::Settings(SettingsAnswer::Slots(slots)) = connection.call(Body::Settings(Request::Slots))?
    else {
        return Err(Error::Unexpected);
    };
    if json {
        print_json(&slots.iter().map(document).collect::<Vec<_>>())?;
        return Ok(Exit::Ok);
    }
    let style = Style::of(&stdout());
    print(&columns(&slots.iter().map(|slot| row(slot, style)).collect::<Vec<_>>()))?;
    if !slots.iter().any(|slot| slot.kind == SlotKind::Recovery) {
        notice::remind(
            "there is no recovery code: whoever forgets the master password has lost what the vault holds. \
             Make one: ctl slots add recovery",
        );
    }
    Ok(Exit::Ok)
}

/// Which code is made.
#[derive(Clone, Copy)]
enum Made {
    First,
    Another,
}

impl Made {
    fn change(self, code: RecoveryCode<'_>) -> RecoveryChange<'_> {
        match self {
            Self::First => RecoveryChange::Add(code),
            Self::Another => RecoveryChange::Replace(code),
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::First => "the vault has a recovery code",
            Self::Another => "the vault has another recovery code; the one before opens nothing",
        }
    }
}

fn make(shown: &Shown, made: Made) -> Result<Exit, Error> {
    let place = Place::choose(shown.code_file.as_deref(), &WORDS)?;
    let mut connection = connect()?;
    // Greets the daemon before anybody is asked; see `unlock`.
    connection.require_vault()?;
    let mut source = Source::open(&shown.password)?;
    let code = new_code()?;
    let text = grouped(&code);
    let sending = place.through(&WORDS, &text, |sending| {
        with_password(&mut source, |password| {
            let code = RecoveryCode::new(code.as_slice()).ok_or(Error::Unexpected)?;
            let request = Request::SetRecovery { password, change: made.change(code) };
            sending.send(Fate::after_its_end, || set(&mut connection, request))
        })
    })?;
    let done = made.done();
    match place {
        Place::File(path) => notice::done(&format!(
            "{done}. It is in {}: print it or copy it by hand, and remove the file",
            path.display()
        )),
        Place::Terminal => {
            notice::done(&format!("{done}. It is shown this once and kept nowhere:"));
            put(&text)?;
            notice::done(
                "write it on paper, and keep that away from this machine. It is typed wherever the master password is \
                 asked for; after it, ctl passwd takes a new one",
            );
        }
    }
    drop(sending);
    Ok(Exit::Ok)
}

fn remove(password: &PasswordArgs) -> Result<Exit, Error> {
    let mut connection = connect()?;
    connection.require_vault()?;
    with_password(&mut Source::open(password)?, |password| {
        set(&mut connection, Request::SetRecovery { password, change: RecoveryChange::Remove })
    })?;
    notice::done("the recovery code opens nothing any more; there is none");
    Ok(Exit::Ok)
}

fn set(connection: &mut Connection, request: Request<'_>) -> Result<(), Error> {
    match connection.call(Body::Settings(request))? {
        Answer::Settings(SettingsAnswer::RecoverySet) => Ok(()),
        _ => Err(Error::Unexpected),
    }
}

/// A code that nobody has yet.
///
/// # Errors
/// The system gives no random bytes.
pub(crate) fn new_code() -> Result<Zeroizing<[u8; recovery::LEN]>, Error> {
    let mut random = Zeroizing::new([0; recovery::DATA]);
    fill(random.as_mut_slice())?;
    let mut code = Zeroizing::new([0; recovery::LEN]);
    recovery::write(&random, &mut code);
    Ok(code)
}

/// As a person writes it down. Its capacity is what will be in it: it never moves, so no copy stays behind.
pub(crate) fn grouped(code: &[u8; recovery::LEN]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(recovery::LEN + recovery::LEN / recovery::GROUP - 1));
    for group in code.chunks(recovery::GROUP) {
        if !text.is_empty() {
            text.push(b'-');
        }
        text.extend_from_slice(group);
    }
    text
}

fn document(slot: &Slot) -> Document {
    let kind = match slot.kind {
        SlotKind::Password => "password",
        SlotKind::BoundPassword => "password-with-device-key",
        SlotKind::Recovery => "recovery",
    };
    Document { id: slot.id, kind, m_kib: slot.m_kib, t: slot.t, p: slot.p }
}

fn row(slot: &Slot, style: Style) -> Vec<String> {
    let kind = match slot.kind {
        SlotKind::Password => "master password",
        SlotKind::BoundPassword => "master password with the device key in the keyring",
        SlotKind::Recovery => "recovery code",
    };
    let lanes = if slot.p == 1 { "1 lane".to_owned() } else { format!("{} lanes", slot.p) };
    let cost = format!("Argon2id: {} MiB, {} passes, {lanes}", slot.m_kib / 1024, slot.t);
    vec![slot.id.to_string(), kind.to_owned(), style.faint(&cost)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_another_one_and_reads_back_as_it_is_shown() {
        let (one, two) = (new_code().unwrap(), new_code().unwrap());
        assert_ne!(*one, *two);
        let text = grouped(&one);
        assert_eq!((text.len(), text.capacity()), (34, 34));
        let mut read = [0; recovery::LEN];
        assert!(recovery::read(&text, &mut read));
        assert_eq!(read, *one);
    }
}
