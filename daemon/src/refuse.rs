//! How each thing that can go wrong is told to a client: a code, and one line that says what
//! happened and what to do next. Of a peer's own bytes a line holds the name that it asked for, and
//! the names of programs and scripts, as [`words`] lets them be told.

mod asker;
mod crowd;
pub mod words;

use std::path::Path;
use std::time::Duration;

use glassdome_proto::pin::PinState;
use glassdome_proto::session::LockReason;
use glassdome_proto::{Code, Refusal};
use glassdome_vault::{Damage, Error, StreamError};

use crate::attest::Unattested;
use crate::attest::program::Unreadable;
use crate::journal::Unwritable;
use crate::settings::Unread;
use crate::worker::Lost;

pub use asker::{
    Said, beyond, denied, in_a_loop, just_changed, kept_back, lacking, no_longer, too_often, unasked,
    ungiven, why,
};
pub use crowd::{among_many, crowded};

/// No session.
pub fn locked(last: Option<LockReason>) -> Refusal<'static> {
    let why = last.map_or("no session since the daemon started", LockReason::describe);
    Refusal::new(Code::Locked, format!("locked: {why}. Unlock: glassdome_start"))
}

/// No session, and none is opened. Since when: time since the epoch.
pub fn panic(since: Duration) -> Refusal<'static> {
    let (since, mend) = (glassdome_audit::time(since), LockReason::Panic.mend());
    Refusal::new(Code::Locked, format!("locked: panic since {since}. {mend}"))
}

/// What would allow it rests.
pub fn paused() -> Refusal<'static> {
    let message = "paused: the screen is locked. Unlock it, or type the master password: glassdome_start";
    Refusal::new(Code::Paused, message)
}

/// A screen locked while the password was tried: the session is open, and paused.
pub fn paused_meanwhile() -> Refusal<'static> {
    let message = "paused: a screen locked while the password was tried. Unlock it and try again; if it goes on \
                   locking by itself: ctl settings set screen off, then glassdome_start --renew";
    Refusal::new(Code::Paused, message)
}

/// A lock came while the request was under way.
pub fn lock_came() -> Refusal<'static> {
    Refusal::new(Code::Locked, "locked: a lock came before the answer. Unlock: glassdome_start")
}

/// The keyring locked, or went away, while the password was tried.
pub fn keyring_fell() -> Refusal<'static> {
    let message = "locked: the keyring locked or went away before the answer. Unlock: glassdome_start. If it does so \
                   each time: ctl settings set keyring off";
    Refusal::new(Code::Locked, message)
}

/// What may be had changed between a person's yes and the request.
pub fn late_change() -> Refusal<'static> {
    Refusal::new(Code::Denied, "denied: what may be had has just changed. Try again")
}

/// No vault.
pub fn no_vault() -> Refusal<'static> {
    Refusal::new(Code::NoVault, "there is no vault yet. Create one: glassdome_start")
}

/// Whoever asks, or ran what asks, cannot be vouched for.
pub fn unattested(reason: &Unattested) -> Refusal<'static> {
    Refusal::new(Code::Denied, format!("denied: {reason}"))
}

/// The peer ended, or became another program.
pub fn gone(pid: i32) -> Refusal<'static> {
    unattested(&Unattested::Gone { pid })
}

const ONLY_GRANTED: &str = "denied: only a terminal where the master password was typed may do that";

/// It takes a granted terminal, the approval PIN or the password.
pub fn unproven(pin: PinState) -> Refusal<'static> {
    let instead = match pin {
        PinState::Set => "or bring the approval PIN: --pin-fd N",
        PinState::Spent => {
            "the approval PIN is taken no more until then, since too many wrong ones were tried"
        }
        PinState::Unset | PinState::Unknown => {
            "or bring the password: --password-fd N; or make a PIN for this: ctl pin set"
        }
    };
    Refusal::new(Code::Denied, format!("{ONLY_GRANTED}. Type: ctl unlock; {instead}"))
}

/// It takes a granted terminal, and its command takes no PIN.
pub fn ungranted(_pin: PinState) -> Refusal<'static> {
    Refusal::new(Code::Denied, format!("{ONLY_GRANTED}. Type: ctl unlock"))
}

/// No request of that number is remembered.
pub fn no_request() -> Refusal<'static> {
    let message = "there is no request of that number: only the last 64 that a session refused are remembered. \
                   Have it ask again. Those that wait: ctl approvals";
    Refusal::new(Code::NotFound, message)
}

/// Passwords are taken from the installed programs only.
pub fn unstamped() -> Refusal<'static> {
    let message =
        "denied: this daemon takes the master password from the installed glassdome_start and ctl only";
    Refusal::new(Code::Denied, message)
}

/// Bad arguments.
pub fn usage(message: impl Into<String>) -> Refusal<'static> {
    Refusal::new(Code::Usage, message)
}

/// Not understood: the two sides are not of one version, or the peer is no client at all.
pub fn protocol(message: impl Into<String>) -> Refusal<'static> {
    Refusal::new(Code::Protocol, message)
}

/// Too much at once.
pub fn throttled(message: impl Into<String>, wait: Duration) -> Refusal<'static> {
    let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
    Refusal { retry_after_ms: Some(millis), ..Refusal::new(Code::Throttled, message) }
}

/// There is no place for one more connection.
pub fn no_place() -> Refusal<'static> {
    let most = glassdome_proto::limits::CONNECTIONS;
    throttled(format!("{most} connections are open. Close some"), Duration::from_secs(1))
}

/// A file that a rule shall name cannot be looked at.
pub fn unreadable(error: &Unreadable) -> Refusal<'static> {
    let path = |path: &Path| words::shown_path(&path.to_string_lossy());
    let cause = std::error::Error::source(error).map(|source| format!(" ({source})")).unwrap_or_default();
    let line = match error {
        Unreadable::NoFile { path: there } => format!("there is no file {}", path(there)),
        Unreadable::Irregular { path: there } => format!("{} is no regular file", path(there)),
        other => format!("{other}{cause}"),
    };
    Refusal::new(Code::Usage, line)
}

/// What the vault said about a secret, by name.
pub fn secret(error: &Error, name: &str) -> Refusal<'static> {
    let typed = name;
    let name = words::shown_secret(name);
    match error {
        Error::NotFound => Refusal::new(Code::NotFound, format!("no secret {name}. Names: ctl list")),
        Error::NoSuchVersion => {
            // What is not shown as it is cannot be typed as it is shown.
            let typed = if name == typed && !name.starts_with('-') { typed } else { "NAME" };
            Refusal::new(Code::NotFound, format!("{name} has no such version. Versions: ctl history {typed}"))
        }
        Error::Exists => Refusal::new(Code::Conflict, format!("{name} exists already")),
        Error::Stale { .. } => {
            Refusal::new(Code::Conflict, format!("{name} has changed since it was read. Read it again"))
        }
        Error::TooLarge => Refusal::new(
            Code::Usage,
            format!("{name} would be over the limit: 1 MiB with all fields, 64 fields"),
        ),
        Error::Corrupt(damage @ Damage::InTheWay) => Refusal::new(
            Code::Corrupt,
            format!("{damage}. Take another name, or see what is: ctl storage test"),
        ),
        Error::Corrupt(damage @ Damage::LetGo) => Refusal::new(
            Code::Corrupt,
            format!(
                "{name} stays as it is, and is served: {damage}. Use another name, or recover: ctl storage recover FILE"
            ),
        ),
        Error::Corrupt(damage) => Refusal::new(
            Code::Corrupt,
            format!("{name} is damaged: {damage}. What else is: ctl storage test. {FROM_A_BACKUP}"),
        ),
        Error::Storage(source) if error.is_unreadable() => Refusal::new(
            Code::Corrupt,
            format!(
                "{name} cannot be read: the disk does not give it ({source}). What else is lost: ctl storage test. \
                 {FROM_A_BACKUP}"
            ),
        ),
        other => vault(other),
    }
}

const FROM_A_BACKUP: &str = "Recover it from a backup: ctl storage recover FILE";

/// No secret is found by this name, in a vault that is damaged where it would be.
pub fn hidden(name: &str) -> Refusal<'static> {
    let name = words::shown_secret(name);
    let message =
        format!("{name} is not found, and may be there: the vault is damaged. See what is: ctl storage test");
    Refusal::new(Code::Corrupt, message)
}

/// What was read of a vault that is damaged does not count as the last backup.
pub fn damaged_backup() -> Refusal<'static> {
    let message = "the vault is damaged: this backup of it does not count as one. Keep those from before";
    Refusal::new(Code::Corrupt, message)
}

/// What the vault said when a backup was read. What was read before is none.
pub fn unread_backup(error: &Error) -> Refusal<'static> {
    match error {
        Error::Corrupt(damage) => Refusal::new(
            Code::Corrupt,
            format!(
                "the vault is damaged: {damage}. No backup was made: keep those from before. See what is: ctl storage test"
            ),
        ),
        Error::Storage(source) if error.is_unreadable() => Refusal::new(
            Code::Corrupt,
            format!(
                "the disk does not give all of the vault ({source}). No backup was made: keep those from before. See \
                 what is lost: ctl storage test"
            ),
        ),
        other => vault(other),
    }
}

/// A test of the vault had what it read opened anew too often to tell what is wrong.
pub fn untested() -> Refusal<'static> {
    let message = "the vault was opened anew again and again while it was tested, since the disk refused changes: \
                   nothing is known of it. Make room or mend the disk, and try again";
    Refusal::new(Code::Conflict, message)
}

/// What the vault said when names were to be listed: those that can be got cannot all be told.
pub fn listing(error: &Error) -> Refusal<'static> {
    match error {
        Error::Corrupt(damage) => Refusal::new(
            Code::Corrupt,
            format!(
                "the list cannot be read: {damage}. By its name each secret is served that is not damaged. See what \
                     is: ctl storage test"
            ),
        ),
        Error::Storage(source) if error.is_unreadable() => Refusal::new(
            Code::Corrupt,
            format!(
                "the list cannot be read: the disk does not give all of it ({source}). By its name each secret is \
                 served that it gives. See what is lost: ctl storage test"
            ),
        ),
        other => vault(other),
    }
}

/// What could not be listed: some of the names, how many more there are, and of how many the name is not known.
pub fn unlisted(names: &[String], more: usize, nameless: usize) -> Refusal<'static> {
    let mut told: Vec<String> = names.iter().map(|name| words::shown_secret(name)).collect();
    if more > 0 {
        told.push(format!("{more} more"));
    }
    if nameless > 0 {
        told.push(format!("{nameless} whose name is not known"));
    }
    let of = if told.is_empty() { "some".to_owned() } else { told.join(", ") };
    let message = format!(
        "the list may not be whole: what is known of {of} is damaged. By its name each secret is served whose value is \
         not: ctl get NAME. See what is: ctl storage test"
    );
    Refusal::new(Code::Corrupt, message)
}

/// What was to leave with others may be among what cannot be read.
pub fn unexported() -> Refusal<'static> {
    let message = "a secret is damaged whose name is not known. Leave out what cannot be read by exact names, without * \
                   and ?: ctl export NAME... See what is damaged: ctl storage test";
    Refusal::new(Code::Corrupt, message)
}

/// What the vault said.
pub fn vault(error: &Error) -> Refusal<'static> {
    let (code, text) = match error {
        Error::WrongPassword => (Code::WrongPassword, "wrong password".to_owned()),
        Error::Corrupt(Damage::Backup) => {
            (Code::Corrupt, "the backup is cut or damaged: nothing was changed. Take another one".to_owned())
        }
        Error::Corrupt(damage) => {
            (Code::Corrupt, format!("the vault is damaged: {damage}. {FROM_A_BACKUP}"))
        }
        Error::WeakenedKdf => (
            Code::Corrupt,
            "the vault's key derivation was weakened: it was tampered with. Recover it from a backup: ctl storage \
             recover FILE"
                .to_owned(),
        ),
        Error::NewerVersion { found } => {
            (Code::Protocol, format!("the vault has format {found}, newer than this daemon. Upgrade glassdomed"))
        }
        Error::Storage(source) => {
            (Code::Storage, format!("the disk refused ({source}): nothing was changed. Make room or mend it"))
        }
        Error::InPlace(source) | Error::MovedBack(source) => {
            (Code::Storage, format!("{error} ({source}). Mend it; then see whether all is there: glassdome_start"))
        }
        Error::Displaced => {
            let mend = "Put it back; or keep what is still served: ctl storage backup FILE, ctl stop, ctl storage \
                        recover FILE";
            (Code::Corrupt, format!("{error}: nothing was changed. {mend}"))
        }
        Error::NotOverwritten(cause) => {
            let source = std::error::Error::source(&**cause).map(|source| format!(": {source}")).unwrap_or_default();
            let message = format!(
                "{error} ({cause}{source}). Mend that: it is tried again with each change, until the daemon stops"
            );
            (Code::Error, message)
        }
        Error::HalfRotated => {
            (Code::Corrupt, format!("{error}, and is given up: the vault is as it was. Begin anew: ctl rotate"))
        }
        Error::Memory(source) => (Code::Error, source.to_string()),
        Error::NoDeviceKey | Error::WrongDeviceKey => {
            (Code::Conflict, "what the password's slot is bound to changed meanwhile. Try again".to_owned())
        }
        Error::OpenedAnew => {
            (Code::Conflict, format!("{error}, since the disk refused a change: nothing came of it. Try again"))
        }
        Error::Conflict => (Code::Conflict, "the vault changed meanwhile. Try again".to_owned()),
        Error::InUse => (Code::Conflict, "another process has the vault open. Stop it: ctl stop".to_owned()),
        Error::Exists => (Code::Conflict, "it exists already".to_owned()),
        Error::NotFound | Error::NoSuchVersion => (Code::NotFound, error.to_string()),
        Error::Name | Error::TooLarge | Error::Empty => (Code::Usage, error.to_string()),
        Error::NotABackup => (Code::Usage, error.to_string()),
        Error::NotAFile => (Code::Storage, "the vault's path is not a regular file".to_owned()),
        Error::RedoNotAFile => (Code::Storage, format!("{error}: nothing was changed. Take it away")),
        Error::Stale { .. } | Error::Random(_) | Error::Kdf(_) => (Code::Error, error.to_string()),
    };
    Refusal::new(code, text)
}

/// What an approval PIN is compared with cannot be read.
pub fn uncompared_pin(error: &Error) -> Refusal<'static> {
    let why = vault(error);
    let message = format!("the approval PIN was not tried, and none counts as wrong: {}", &*why.message);
    Refusal::new(why.code, message)
}

/// What was found wrong with a stream that was to be encrypted or decrypted for this context.
pub fn stream(error: StreamError, context: &str) -> Refusal<'static> {
    let mend = match error {
        // The client cuts chunks, not the person.
        StreamError::Size | StreamError::Over => return Refusal::new(Code::Usage, error.to_string()),
        StreamError::NotAStream => "nothing was decrypted".to_owned(),
        StreamError::ForeignKey => "nothing was decrypted. Decrypt it where it was encrypted".to_owned(),
        StreamError::ForeignContext => {
            format!("nothing was decrypted for {}. Name that one: --context", words::shown_secret(context))
        }
        StreamError::Header => "nothing was decrypted. Take another copy".to_owned(),
        // What has come out, the client knows.
        _ => return Refusal::new(Code::Corrupt, format!("corrupt: {error}. Take another copy")),
    };
    Refusal::new(Code::Corrupt, format!("corrupt: {error}; {mend}"))
}

/// The log could not be written: the session is over with it, which [`State::unlogged`] sees to.
///
/// [`State::unlogged`]: crate::state::State::unlogged
pub fn unlogged(error: &Unwritable) -> Refusal<'static> {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    Refusal::new(
        Code::Storage,
        format!("{error} ({cause}): locked, since nothing is served unlogged. Make room or mend it"),
    )
}

/// A thread of the daemon gave no answer.
pub fn lost(lost: Lost) -> Refusal<'static> {
    Refusal::new(Code::Error, format!("{lost}. See the daemon's log"))
}

/// The sealed settings could not be read.
pub fn unread(unread: &Unread) -> Refusal<'static> {
    match unread {
        Unread::Vault(error) => vault(error),
        Unread::Rules(error) => Refusal::new(Code::Protocol, format!("{error}. Upgrade glassdomed")),
        Unread::Unknown { .. } => Refusal::new(Code::Protocol, format!("{unread}. Upgrade glassdomed")),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_bad_sector_that_is_met_is_damage_and_a_full_disk_is_none() {
        let disk = |errno: Errno| Error::Storage(io::Error::from_raw_os_error(errno.raw_os_error()));
        let of_a_name = |error: &Error| secret(error, "a/name");
        let refusals: [fn(&Error) -> Refusal<'static>; 3] = [unread_backup, listing, of_a_name];
        for refused in refusals {
            let refusal = refused(&disk(Errno::IO));
            assert_eq!(refusal.code, Code::Corrupt, "{refusal:?}");
            assert!(refusal.message.contains("ctl storage test"), "{refusal:?}");
            assert_eq!(refused(&Damage::Store.into()).code, Code::Corrupt);
            assert_eq!(refused(&disk(Errno::NOSPC)).code, Code::Storage);
        }
        assert!(of_a_name(&disk(Errno::IO)).message.starts_with("a/name cannot be read"));
    }
}
