//! `ctl rotate`: give the vault another master key, while everybody is served. Where there is a recovery code, the new
//! key has another one, which is shown once.

use std::fs::symlink_metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use glassdome_proto::pin::PinState;
use glassdome_proto::recovery;
use glassdome_proto::rotation::{Former, Progress as Done};
use glassdome_proto::settings::{Answer as SettingsAnswer, RecoveryCode, Request, SlotKind};
use glassdome_proto::storage::Answer as StorageAnswer;
use glassdome_proto::{Answer, Body};
use zeroize::Zeroizing;

use super::slots::{WORDS, grouped, new_code};
use crate::cli::{Command, connect};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{PasswordArgs, Source};
use crate::proof::with_password;
use crate::shown_once::{Fate, Place, Sending, put};
use crate::text::notice;
use crate::text::progress::Progress;
use crate::text::rotation;
use crate::text::shell_word::quoted;

/// What can be typed behind `ctl rotate`.
#[derive(clap::Args)]
pub(crate) struct Rotate {
    /// Write the new recovery code to FILE, which must not be there yet, instead of showing it on the terminal
    #[arg(long, value_name = "FILE")]
    code_file: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordArgs,
}

impl Command for Rotate {
    const NAME: &'static str = "rotate";
    const ABOUT: &'static str = "Give the vault another master key, or go on with that where it was left; takes the \
                                 master password";
    const EXAMPLES: &'static str = "ctl rotate\nctl rotate --code-file ~/new-code";

    fn run(self) -> Result<Exit, Error> {
        let mut connection = connect()?;
        // Greets the daemon before anybody is asked; see `unlock`.
        connection.require_session()?;
        let place = match (has_code(&mut connection)?, &self.code_file) {
            (true, file) => Some(Place::choose(file.as_deref(), &WORDS)?),
            (false, None) => None,
            (false, Some(_)) => {
                return Err(Error::Usage("there is no recovery code, and so no other one to write".into()));
            }
        };
        tell_other_names(&mut connection)?;
        let mut source = Source::open(&self.password)?;
        let Some(place) = place else {
            let former = rotate(&mut connection, &mut source, None, &mut Sending::new())?;
            tell(&mut connection, former, "");
            return Ok(Exit::Ok);
        };
        let code = new_code()?;
        let text = grouped(&code);
        let mut former = Former::Later;
        let sending = place.through(&WORDS, &text, |sending| {
            former = rotate(&mut connection, &mut source, Some(&code), sending)?;
            Ok(())
        })?;
        show(place, &text)?;
        drop(sending);
        tell(&mut connection, former, "; the recovery code before opens nothing");
        Ok(Exit::Ok)
    }
}

fn has_code(connection: &mut Connection) -> Result<bool, Error> {
    match connection.call(Body::Settings(Request::Slots))? {
        Answer::Settings(SettingsAnswer::Slots(slots)) => {
            Ok(slots.iter().any(|slot| slot.kind == SlotKind::Recovery))
        }
        _ => Err(Error::Unexpected),
    }
}

/// What would be left as it is when all is done, told before it is begun.
fn tell_other_names(connection: &mut Connection) -> Result<(), Error> {
    let StorageAnswer::Status { path, .. } = connection.storage()? else { return Err(Error::Unexpected) };
    let others = symlink_metadata(&*path).map_or(0, |about| about.nlink().saturating_sub(1));
    if others > 0 {
        notice::remind(&format!(
            "the vault's file has {}. It will not be overwritten, and opens there with what opens it now. To see where: \
             find / -xdev -samefile {}",
            rotation::other_names(others),
            quoted(&path)
        ));
    }
    Ok(())
}

/// From the password to the new key in force; what became of the former file.
fn rotate(
    connection: &mut Connection,
    source: &mut Source,
    code: Option<&Zeroizing<[u8; recovery::LEN]>>,
    sending: &mut Sending,
) -> Result<Former, Error> {
    let before = with_password(source, |password| {
        let code =
            code.map(|code| RecoveryCode::new(code.as_slice()).ok_or(Error::Unexpected)).transpose()?;
        connection.begin_rotation(password, code)
    })?;
    if before > 0 {
        notice::say(&format!("going on where it was left: {before} rows are under the new key already"));
    }
    let mut last = None;
    carry(connection, &mut last).inspect_err(|_| {
        if let Some(left) = last.and_then(|last| rotation::left(last, connection.rotation().ok().as_ref())) {
            notice::remind(&left);
        }
    })?;
    sending.send(Fate::after_a_step_of_its_own, || connection.finish_rotation())
}

/// Has all rows carried.
fn carry(connection: &mut Connection, last: &mut Option<Done>) -> Result<(), Error> {
    let mut progress: Option<Progress> = None;
    loop {
        let now = connection.step_rotation()?;
        let in_steps = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        progress.get_or_insert_with(|| Progress::new(in_steps(now.total))).at(in_steps(now.done));
        *last = Some(now);
        if now.ready {
            return Ok(());
        }
    }
}

fn show(place: Place<'_>, text: &Zeroizing<Vec<u8>>) -> Result<(), Error> {
    match place {
        Place::File(path) => {
            notice::done(&format!(
                "the vault has another recovery code. It is in {}: print it or copy it by hand, and remove the file",
                path.display()
            ));
            Ok(())
        }
        Place::Terminal => {
            notice::done("the vault has another recovery code. It is shown this once and kept nowhere:");
            put(text)
        }
    }
}

fn tell(connection: &mut Connection, former: Former, code: &str) {
    // A lock may have come meanwhile, and has not undone it.
    let session = if connection.require_session().is_ok() {
        "the session goes on"
    } else {
        "it is locked. Unlock: glassdome_start"
    };
    notice::done(&format!("the vault has another master key{code}; {session}"));
    match former {
        Former::Overwritten => {}
        Former::Later => notice::remind(
            "the former file is overwritten when nobody reads it any more, or at the daemon's next start",
        ),
        Former::Linked(names) => notice::remind(&format!(
            "the former file was not overwritten: it has {}. It is somebody's copy, and opens with what opened it then",
            rotation::other_names(names)
        )),
    }
    // Where this cannot be told, nothing of the PIN has changed.
    if matches!(connection.pin_state(), Ok(PinState::Set | PinState::Spent)) {
        notice::remind(
            "the approval PIN is the one from before, and whoever had the former key can find it out from a copy. Make \
             another one: ctl pin set",
        );
    }
    notice::remind(
        "backups and copies from before open with what opened them then, to what they held then. Make a new one: \
         ctl storage backup FILE",
    );
}
