//! Everything that can go wrong with a vault, as one type, so that a caller can answer each case and
//! nothing secret reaches a text.

use std::io;

use rustix::io::Errno;

/// Why a vault operation was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something of that name is there already: a vault file, or a secret.
    #[error("it exists already")]
    Exists,
    /// No secret, setting or slot of that name.
    #[error("not found")]
    NotFound,
    /// The version asked for is not kept.
    #[error("no such version is kept")]
    NoSuchVersion,
    /// The secret is not at the version that the edit expected.
    #[error("the secret has changed: it is not at the expected version")]
    Stale {
        /// The version that it is at; `None` if there is no such secret.
        current: Option<u64>,
    },
    /// The store moved between the draft and its commit: draft again.
    #[error("the store has changed since the draft was made")]
    Conflict,
    /// The file was opened anew while it was read, since a change of it failed: what was read is of a state that is no
    /// longer held. Read again.
    #[error("the vault's file was opened anew meanwhile")]
    OpenedAnew,
    /// The key-encryption key opens no slot: the password is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// The password's slot is bound to a device key, which was not given.
    #[error("the password alone does not open it: it takes the device key")]
    NoDeviceKey,
    /// What was given as a device key is not the one that the slot is bound to.
    #[error("that is not the device key that the password's slot is bound to")]
    WrongDeviceKey,
    /// Key derivation parameters outside the bounds: in a vault file, a sign of tampering.
    #[error("the key derivation parameters are out of bounds")]
    WeakenedKdf,
    /// The file was written by a newer version.
    #[error("the vault has format version {found}, newer than this program reads")]
    NewerVersion {
        /// The format version in the file.
        found: u32,
    },
    /// The vault is damaged or was tampered with.
    #[error("the vault is damaged: {0}")]
    Corrupt(Damage),
    /// Another process has the vault open.
    #[error("the vault is in use by another process")]
    InUse,
    /// The path leads to something that is not a regular file.
    #[error("not a regular file")]
    NotAFile,
    /// What was given as a backup is the file of a vault.
    #[error(
        "that is a vault's file, not a backup: ctl storage backup makes one. To use the file as it is, put it in the \
         vault's place: docs/recovery.md"
    )]
    NotABackup,
    /// The file that is open has lost its name, to another one or to none: what is written into it is lost with it.
    #[error("the vault's file was moved, removed or replaced while it was open")]
    Displaced,
    /// What lies beside the vault in the place of its records of changes is not a regular file.
    #[error("vault.redo beside the vault is not a regular file")]
    RedoNotAFile,
    /// A name is empty, too long, holds control characters or is not in normal form C.
    #[error("not a valid name")]
    Name,
    /// A secret, its fields, or a setting are larger than the limit.
    #[error("too large")]
    TooLarge,
    /// A new secret must have a value or a field, and an edit must change something.
    #[error("nothing to store")]
    Empty,
    /// No random bytes from the kernel.
    #[error("no random bytes")]
    Random(#[source] getrandom::Error),
    /// No locked memory.
    #[error("no locked memory")]
    Memory(#[from] glassdome_lockmem::Error),
    /// The key derivation failed.
    #[error("the key derivation failed")]
    Kdf(#[source] argon2::Error),
    /// The file could not be read or written.
    #[error("the vault file could not be read or written")]
    Storage(#[source] io::Error),
    /// What was begun of a rotation is not what was written.
    #[error("the unfinished rotation is damaged")]
    HalfRotated,
    /// A recovered vault, or a rotation's new file, is in the vault's place, and what was there has another name; but the
    /// disk may not have that yet.
    #[error("the vault is in its place, and the disk refused what comes behind that")]
    InPlace(#[source] io::Error),
    /// What a rotation had moved into the vault's place is out of it again; but the disk may not have that yet.
    #[error("the vault from before is in its place again, and the disk refused what comes behind that")]
    MovedBack(#[source] io::Error),
    /// A change is in force, on the disk, and takes a key slot's place; but what that was could not be overwritten.
    #[error("it is in force, but the former key slot could not be overwritten everywhere")]
    NotOverwritten(#[source] Box<Error>),
}

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The store itself: pages, trees, lengths.
    #[error("its pages cannot be read")]
    Store,
    /// The header.
    #[error("its header cannot be read")]
    Header,
    /// A key slot.
    #[error("a key slot cannot be opened")]
    Slot,
    /// A sealed row does not open at its place: altered, moved, or from another vault.
    #[error("a sealed row cannot be opened")]
    Row,
    /// A row of a removed secret, in the way of another of its name, does not open at its place.
    #[error("what is kept of a removed secret of the new name cannot be opened")]
    InTheWay,
    /// A row of the version that a change would let go, for a newer one, does not open at its place.
    #[error("its oldest version, which would go for a new one, cannot be opened")]
    LetGo,
    /// The index of names leads to another entry, or to none.
    #[error("the index of names leads astray")]
    Index,
    /// Settings or key slots are not those of the last change: rolled back, altered or deleted.
    #[error("settings or key slots are not those of the last change")]
    Control,
    /// The throttle state cannot be read.
    #[error("the throttle state cannot be read")]
    Throttle,
    /// A backup is cut, or not as it was written.
    #[error("the backup is cut or damaged")]
    Backup,
    /// Whether there is a panic cannot be read.
    #[error("whether there is a panic cannot be read")]
    Panic,
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::Corrupt(damage)
    }
}

impl From<getrandom::Error> for Error {
    fn from(error: getrandom::Error) -> Self {
        Self::Random(error)
    }
}

impl Error {
    /// Whether what lies in the file cannot be read: it is not what was written, or the disk does not give it.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        match self {
            Self::Corrupt(_) => true,
            Self::Storage(error) => not_given(error),
            _ => false,
        }
    }
}

/// Whether the disk does not give what lies there: a bad sector.
pub(crate) fn not_given(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_sector_is_unreadable_and_a_full_disk_is_not() {
        let disk = |errno: Errno| Error::Storage(io::Error::from_raw_os_error(errno.raw_os_error()));
        assert!(Error::from(Damage::Store).is_unreadable() && disk(Errno::IO).is_unreadable());
        for error in [disk(Errno::NOSPC), disk(Errno::MFILE), Error::OpenedAnew, Error::Conflict] {
            assert!(!error.is_unreadable(), "{error:?}");
        }
    }
}
