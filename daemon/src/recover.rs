//! `glassdomed --recover FILE`, which `ctl storage recover` runs: a vault out of a backup. It says `ready` when the backup
//! could be read as a whole, then takes passwords, a line each, until one opens it (`wrong` is its answer to any other),
//! and says `checked N` when every one of N secrets was read; `--check-backup FILE` ends there. All that may go on while
//! a daemon serves the vault, and changes nothing. Then it waits for `go`, and puts the vault in its place, which nobody
//! else may have from there on: what lies in that place is looked at only then. Last it says `recovered`, and behind that
//! `former PATH` if something lay there, `log backup` if nothing newer than the backup judges the log, `panic unknown`,
//! and `aside PATH` if something lay in the place of a rotation that may not be needless.

mod keyring;
mod memory;
mod place;

use std::convert::Infallible;
use std::io::{self, Write};
use std::path::PathBuf;

use glassdome_audit::{Event, Hex, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_vault::{self as vault, Damage, Keys, Recovered, Vault, kdf};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::clock;
use crate::config::Config;
use crate::journal::{Anchor, Entry, Journal, Who};
use crate::ops::{Openers, Untriable, rollback};
use crate::run::{Error, hold_vault, private_file};
use keyring::Keyring;
use memory::Judge;

/// Passwords that are taken.
const TRIES: u32 = 3;
/// What is waited for before anything is changed.
const GO: &[u8] = b"go";

/// What is to be recovered, and whether it is only looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The backup.
    pub backup: PathBuf,
    /// Leave everything as it is.
    pub check: bool,
}

/// Recovers the vault.
///
/// # Errors
/// What is told, and the code to end with; then what was there is still there, unless that is said.
pub fn recover(recovery: &Recovery, config: &Config) -> Result<(), Error> {
    let file = vault::open_backup(&recovery.backup)
        .map_err(|source| Error::Backup { path: recovery.backup.display().to_string(), source })?;
    let recovered = Recovered::build(file, &config.vault).map_err(of_backup)?;
    say("ready")?;
    let keyring = Keyring::new(&config.desktop)?;
    let keys = ask(recovered.vault(), &keyring)?;
    let secrets = recovered.check(&keys).map_err(of_backup)?;
    say(&format!("checked {secrets}"))?;
    if recovery.check {
        return Ok(());
    }
    let mut line = Vec::with_capacity(GO.len() + 1);
    if !read_line(&mut line)? || line != GO {
        return Err(Error::Io(io::Error::other("it was not told to go on: nothing was changed")));
    }
    let _alone = hold_vault(&config.vault)?;
    // It was looked at before; but a daemon may have ended since.
    for file in [&config.vault, &config.audit] {
        private_file(file)?;
    }
    // What others left that were killed; this one is held.
    vault::sweep(&config.vault).map_err(Error::Vault)?;
    // The next start takes nothing for a rotation of the vault that is put in the place.
    let aside = vault::make_way(&config.vault).map_err(Error::Vault)?;
    let put = put_in_place(recovered, keys, config, &keyring)?;
    say("recovered")?;
    let aside = aside.map(|path| format!("aside {}", path.display()));
    put.into_iter().chain(aside).try_for_each(|line| say(&line))
}

/// What is damaged before it is in its place is the backup, and not the vault that is there.
fn of_backup(error: vault::Error) -> Error {
    Error::Vault(match error {
        vault::Error::Corrupt(_) => Damage::Backup.into(),
        other => other,
    })
}

/// Puts it in its place, and gives what is to be said of that, a line each.
fn put_in_place(
    recovered: Recovered,
    keys: Keys,
    config: &Config,
    keyring: &Keyring<'_>,
) -> Result<Vec<String>, Error> {
    let (place, audit) = (&config.vault, &config.audit);
    let former = place::former(place)?;
    let there = place::look(place)?;
    // Before the log is opened, which begins one.
    let began_elsewhere = !place::has_traces(place, audit)?;
    let judge = memory::judge(there.vault(), recovered.vault(), &keys, began_elsewhere)?;
    let panic = there.panic()?;
    drop(there);

    let journal = Journal::open(audit, Some(Hex(*recovered.vault().id().as_bytes())), None, clock::now())
        .map_err(unusable(config))?;
    let begins = record(&journal, Outcome::Allowed, config)?;
    let done = || {
        // Nothing is done without its record.
        let told = rollback::told_of(&journal, recovered.vault().id());
        let known = (told, keyring.kept(recovered.vault()));
        let change = judge.change(begins, known, recovered.vault(), &keys).map_err(Error::Vault)?;
        recovered.vault().commit(change).map_err(Error::Vault)?;
        let newest = recovered.vault().mark(&keys).map_err(Error::Vault)?.to_kept(&keys);
        drop(keys);
        // A panic ends when the master password is given to end it, and not with the vault.
        if let place::Panic::Since(since) = panic {
            recovered.vault().store_panic(Some(since)).map_err(Error::Vault)?;
        }
        let vault = recovered.vault().id();
        let kept = recovered.put_in_place(&former).map_err(Error::Vault)?;
        keyring.keep(vault, &newest);
        Ok(kept)
    };
    let kept = done().inspect_err(|error| {
        // One that is in its place all the same did not fail.
        if !matches!(error, Error::Vault(vault::Error::InPlace(_))) {
            // What is wrong with the vault is told, and the log as far as it can.
            let _ = record(&journal, Outcome::Failed, config);
        }
    })?;
    let mut lines = Vec::new();
    if kept {
        lines.push(format!("former {}", former.display()));
    }
    if matches!(judge, Judge::Backup) {
        lines.push("log backup".to_owned());
    }
    if matches!(panic, place::Panic::Unknown) {
        lines.push("panic unknown".to_owned());
    }
    Ok(lines)
}

/// Says in the audit log what becomes of the recovery, on the disk when this returns. Where the log stands by then.
fn record(journal: &Journal, outcome: Outcome, config: &Config) -> Result<Anchor, Error> {
    let entry = Entry { event: Event::Recover, outcome, secret: None, to: None, by: None, peer: Who::Nobody };
    journal.record_on_disk(entry, clock::now()).map_err(unusable(config))
}

fn unusable(config: &Config) -> impl Fn(io::Error) -> Error {
    |source| Error::Journal { path: config.audit.display().to_string(), source }
}

/// Takes passwords until one opens it.
fn ask(vault: &Vault, keyring: &Keyring<'_>) -> Result<Keys, Error> {
    // Its capacity is what a line may have: it never moves, so no copy stays behind.
    let mut line = Zeroizing::new(Vec::with_capacity(glassdome_proto::limits::PASSWORD + 1));
    for rest in (0..TRIES).rev() {
        line.clear();
        if !read_line(&mut line)? {
            return Err(Error::Io(io::Error::other("no password was given")));
        }
        let typed = LockedBytes::copied_from(&line).map_err(|error| Error::Vault(error.into()))?;
        match open(vault, typed, keyring) {
            Err(Error::Vault(vault::Error::WrongPassword)) if rest > 0 => say("wrong")?,
            opened => return opened,
        }
    }
    Err(Error::Vault(vault::Error::WrongPassword))
}

fn open(vault: &Vault, typed: LockedBytes, keyring: &Keyring<'_>) -> Result<Keys, Error> {
    let derive = async |input, secret: LockedBytes| Ok::<_, Infallible>(kdf::derive(&input, &secret));
    let fetch = async |id| keyring.device_key(vault, id).await;
    let opened = keyring.wait(async {
        let openers = Openers::of(vault, typed, fetch).await?;
        let Ok(opened) = openers.open(vault, derive).await;
        Ok(opened?)
    });
    opened.map_err(|untried| match untried {
        Untriable::Vault(error) => of_backup(error),
        Untriable::Device(lacking) => Error::Device(lacking),
    })
}

/// Reads a line, without its end, into the room that there is; `false` at the end of all. Byte by byte: the standard
/// library's own buffer would keep a password, and wipes nothing.
fn read_line(line: &mut Vec<u8>) -> Result<bool, Error> {
    let mut byte = Zeroizing::new([0]);
    loop {
        match rustix::io::read(rustix::stdio::stdin(), &mut byte[..]) {
            Ok(0) => return Ok(!line.is_empty()),
            Ok(_) if byte[0] == b'\n' => return Ok(true),
            Ok(_) if line.len() + 1 == line.capacity() => {
                return Err(Error::Io(io::Error::other("a line that is too long was given")));
            }
            Ok(_) => line.push(byte[0]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(Error::Io(error.into())),
        }
    }
}

fn say(line: &str) -> Result<(), Error> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(Error::Io)
}
