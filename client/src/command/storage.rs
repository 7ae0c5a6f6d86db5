//! `ctl storage`: where the vault is, and how it is kept from being lost.

mod status;
mod test;

use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};

use glassdome_proto::session::VaultState;
use glassdome_proto::{Answer, Body, session};

use crate::cli::{Command, connect, connect_as_anyone};
use crate::command::device::{self, Migrate};
use crate::connection::Connection;
use crate::descriptor::write_all;
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{PasswordArgs, Source};
use crate::private_file::write_private_by;
use crate::proof::ProofArgs;
use crate::recover::{Done, Recovery, Tried};
use crate::text::bytes::bytes;
use crate::text::notice;

use status::counted;

/// What can be typed behind `ctl storage`.
#[derive(clap::Args)]
pub(crate) struct Storage {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show where the vault is, its size and health, and how old the last backup is
    Status {
        /// Print a JSON object for programs; times are seconds since the epoch
        #[arg(long)]
        json: bool,
    },
    /// Read all of the vault and of the audit log, and say what is wrong where
    Test {
        /// Print a JSON object for programs
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        proof: ProofArgs,
    },
    /// Write a sealed copy of the vault to FILE, while it is in use
    Backup {
        /// Where to; `-` for the standard output
        file: PathBuf,
        /// Replace FILE, if it is there
        #[arg(long)]
        replace: bool,
    },
    /// Make the vault out of a backup; what is there now gets another name
    Recover {
        /// The backup
        file: PathBuf,
        /// Only see whether it can be done: read all of it with the password, and change nothing
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Let the master password open the vault only with a device key in your keyring, or alone
    Migrate(Migrate),
    /// Take device keys out of the keyring that the vault does not need; copies of it may
    Tidy {
        #[command(flatten)]
        password: PasswordArgs,
    },
}

impl Command for Storage {
    const NAME: &'static str = "storage";
    const ABOUT: &'static str =
        "Show where the vault is, test it, back it up, recover it from a backup, and bind it to your keyring";
    const EXAMPLES: &'static str = "ctl storage\nctl storage test\nctl storage backup ~/vault-today.backup\n\
        ctl storage backup - | ssh host 'cat > vault.backup'\nctl storage recover --check vault-today.backup\n\
        ctl storage recover vault-today.backup\nctl storage migrate --to keyring";

    fn run(self) -> Result<Exit, Error> {
        match self.what {
            None => status::status(false),
            Some(What::Status { json }) => status::status(json),
            Some(What::Test { json, proof }) => test::test(json, &proof),
            Some(What::Backup { file, replace }) => back_up(&file, replace),
            Some(What::Recover { file, check, password }) => recover(&file, check, &password),
            Some(What::Migrate(options)) => device::migrate(&options),
            Some(What::Tidy { password }) => device::tidy(&password),
        }
    }
}

fn back_up(file: &Path, replace: bool) -> Result<Exit, Error> {
    let mut connection = connect()?;
    if file == Path::new("-") {
        if stdout().is_terminal() {
            return Err(Error::Usage("a backup is not for a terminal: name a file".into()));
        }
        connection.back_up(|part| write_all(stdout(), part).map_err(Error::Output))?;
        if is_damaged(&mut connection)? {
            return Ok(not_counted("what was written", "FILE"));
        }
        connection.backup_kept()?;
        return Ok(Exit::Ok);
    }
    let path = || file.to_owned();
    let there = file.symlink_metadata().is_ok();
    if there && !replace {
        return Err(Error::FileExists { path: path() });
    }
    if there && is_damaged(&mut connection)? {
        return Err(Error::BackupOfDamaged { path: path() });
    }
    let (size, damaged) = write_private_by(file, |out| {
        let size = connection.back_up(|part| {
            write_all(out, part).map_err(|source| Error::WriteFile { path: path(), source })
        })?;
        // It may have been found meanwhile.
        let damaged = is_damaged(&mut connection)?;
        if there && damaged { Err(Error::BackupOfDamaged { path: path() }) } else { Ok((size, damaged)) }
    })?;
    if damaged {
        let file = file.display().to_string();
        return Ok(not_counted(&file, &file));
    }
    // On the disk, under its name: only now is it one.
    connection.backup_kept()?;
    notice::done(&format!(
        "{} in {}, sealed as the vault is. Keep it off this machine; try it: ctl storage recover --check {}",
        bytes(size),
        file.display(),
        file.display()
    ));
    Ok(Exit::Ok)
}

fn is_damaged(connection: &mut Connection) -> Result<bool, Error> {
    Ok(connection.status()?.vault == VaultState::Damaged)
}

/// Whoever takes it for a backup could not recover from it.
fn not_counted(what: &str, file: &str) -> Exit {
    notice::remind(&format!(
        "the vault is damaged, and so is {what}: it is recovered from as a whole or not at all, and does not count as a \
         backup. Keep those from before. Try it: ctl storage recover --check {file}"
    ));
    Exit::Corrupt
}

fn recover(file: &Path, check: bool, password: &PasswordArgs) -> Result<Exit, Error> {
    let mut source = Source::open(password)?;
    // Greeted before this program hides itself, which the daemon otherwise takes amiss.
    let daemon = if check { None } else { daemon()? };
    // A password is to be typed, and no daemon may have been greeted.
    glassdome_sys::harden_process().map_err(Error::Harden)?;
    let mut recovery = Recovery::begin(file, check)?;
    let secrets = loop {
        let typed = source.present("Master password of the backup, or its recovery code: ")?;
        match recovery.attempt(&typed)? {
            Tried::Opens(secrets) => break secrets,
            // After the third it says so itself.
            Tried::Wrong if source.can_ask_again() => source.say("wrong password")?,
            Tried::Wrong => {
                recovery.give_up()?;
                let line = "wrong password: nothing was changed".to_owned();
                return Err(Error::NotRecovered { exit: Exit::WrongPassword, line });
            }
        }
    };
    let (shown, secrets) = (file.display(), counted(secrets));
    if check {
        recovery.checked()?;
        notice::done(&format!("{shown} is whole: {secrets}, each of which opens"));
        return Ok(Exit::Ok);
    }
    // No session ends for what cannot be recovered.
    if let Err(error) = daemon.map_or(Ok(()), stop) {
        recovery.give_up()?;
        return Err(error);
    }
    let done = recovery.put_in_place()?;
    notice::done(&format!("the vault is that of {shown}: {secrets}. Unlock: glassdome_start"));
    tell(&done);
    Ok(Exit::Ok)
}

/// What is to be known of what was there.
fn tell(done: &Done) {
    if let Some(former) = &done.former {
        notice::remind(&format!(
            "the vault that was there is {} now, with the password that it had",
            former.display()
        ));
    }
    if let Some(aside) = &done.aside {
        notice::remind(&format!(
            "what lay in the place of a rotation is {} now: if you know nothing in it, remove it",
            aside.display()
        ));
    }
    if done.log_by_backup {
        notice::remind(
            "the audit log here will be judged by what the backup remembers of it: an alarm may follow, and what was cut \
             off since the backup is not missed",
        );
    }
    if done.panic_unknown {
        notice::remind("the vault that was there cannot be read: whether there was a panic is not known");
    }
}

/// The daemon that has the vault, if one runs.
fn daemon() -> Result<Option<Connection>, Error> {
    match connect_as_anyone() {
        Err(Error::NoDaemon { .. }) => Ok(None),
        connected => connected.map(Some),
    }
}

/// Ends it, unless it has ended by itself. If another one has begun meanwhile, that has the vault, and it is said.
fn stop(mut daemon: Connection) -> Result<(), Error> {
    match daemon.call(Body::Session(session::Request::Stop)) {
        Ok(Answer::Session(session::Answer::Stopping)) => daemon.wait_for_end(),
        Ok(_) => Err(Error::Unexpected),
        Err(Error::Closed) => daemon.wait_for_end(),
        Err(error) => Err(error),
    }
}
