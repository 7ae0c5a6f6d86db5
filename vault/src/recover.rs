//! A vault out of a backup: built beside where it is to be, opened and read as a whole, and only then put in its place.
//! What lay there before has another name first.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::backup::Restorer;
use crate::check::CheckStep;
use crate::create::{build_beside, sync_directory_of};
use crate::half_made::Draft;
use crate::keys::Keys;
use crate::redo::{self, Redo};
use crate::vault::{Found, Vault};
use crate::{Damage, Error};

/// A vault that was built from a backup, and is not in its place yet. Gone when dropped.
#[derive(Debug)]
pub struct Recovered {
    vault: Vault,
    draft: Draft,
    place: PathBuf,
}

impl Recovered {
    /// Builds the vault that `backup` holds beside `place`. What is cut or damaged is refused here, without a key.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with [`Damage::Backup`]; as [`Vault::open`]; [`Error::Storage`].
    pub fn build(backup: impl Read, place: &Path) -> Result<Self, Error> {
        let mut rows = Restorer::new(BufReader::new(backup))?;
        let draft = build_beside(place, || rows.next())?;
        let Found::Present(vault) = Vault::open(draft.path())? else {
            return Err(Error::Storage(io::ErrorKind::NotFound.into()));
        };
        Ok(Self { vault, draft, place: place.to_owned() })
    }

    /// The vault, to be opened.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Reads every row: all are those of one moment, none is missing, and each secret opens.
    ///
    /// # Errors
    /// [`Error::Corrupt`]; the count of secrets otherwise.
    pub fn check(&self, keys: &Keys) -> Result<u64, Error> {
        let mut check = self.vault.check(keys)?;
        loop {
            match check.step(keys, 4096)? {
                CheckStep::More => {}
                CheckStep::Sound { .. } => break,
                CheckStep::Altered { .. } => return Err(Damage::Row.into()),
            }
        }
        let (mut secrets, mut after) = (0, None);
        loop {
            let page = self.vault.page(keys, after, 256)?;
            if page.unread || !page.damaged.is_empty() {
                return Err(Damage::Row.into());
            }
            for (_, info) in &page.secrets {
                self.vault.read(keys, &info.name)?;
                secrets += 1;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(secrets),
            }
        }
    }

    /// Puts the vault in its place, and says whether one lay there: that, with what lay beside it, has the name
    /// `former` from then on. Neither that name nor the one beside it ([`Recovered::former_is_free`]) may be taken. At
    /// each moment the place has one or the other, whole.
    ///
    /// # Errors
    /// [`Error::Exists`] if something has one of these names; [`Error::RedoNotAFile`]; [`Error::Storage`]: then what was
    /// there is still there, and nothing else is. [`Error::InPlace`]: the vault is in its place, and what was there has
    /// the other name, but a power cut may yet undo that.
    pub fn put_in_place(self, former: &Path) -> Result<bool, Error> {
        let Self { vault, draft, place } = self;
        close(vault, draft.path())?;
        // Changes of the former vault that its file may not have.
        let (redo, former_redo) = (Redo::path_beside(&place), Redo::path_beside(former));
        let mut made = Made::default();
        let kept = made.second_name(&place, former)?;
        made.copy(&redo, &former_redo)?;
        sync_directory_of(&place)?;
        fs::rename(draft.path(), &place).map_err(Error::Storage)?;
        made.keep();
        // They follow no state of the new one, which would leave them alone; but they are the former's.
        match fs::remove_file(&redo) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::InPlace(error)),
            _ => {}
        }
        sync_directory_of(&place).map_err(|error| match error {
            Error::Storage(error) => Error::InPlace(error),
            other => other,
        })?;
        Ok(kept)
    }

    /// Whether what is there could be called `former`: that nothing is, nor what would lie beside it.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn former_is_free(former: &Path) -> Result<bool, Error> {
        for name in [former, &Redo::path_beside(former)] {
            match fs::symlink_metadata(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::Storage(error)),
                Ok(_) => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Closes the vault, so that all of it is on the disk in the file at `path`, and nothing beside it.
fn close(vault: Vault, path: &Path) -> Result<(), Error> {
    let redo = Redo::path_beside(path);
    let closed = vault.close().and_then(|()| match fs::symlink_metadata(&redo) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::Storage(error)),
        Ok(_) => Err(Error::Storage(io::Error::other("changes stay beside the new vault's file"))),
    });
    let synced =
        closed.and_then(|()| File::open(path).and_then(|file| file.sync_all()).map_err(Error::Storage));
    synced.inspect_err(|_| {
        // As the draft that it lies beside, which is of no use without.
        let _ = fs::remove_file(&redo);
    })
}

/// The names that were made so far, and by nobody else: gone when dropped, unless they are to be kept.
#[derive(Debug, Default)]
struct Made(Vec<PathBuf>);

impl Made {
    /// Gives a file a second name, which nothing may have yet; `false` if there is no such file.
    fn second_name(&mut self, file: &Path, second: &Path) -> Result<bool, Error> {
        match fs::hard_link(file, second) {
            Ok(()) => {
                self.0.push(second.to_owned());
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(taken(error)),
        }
    }

    /// Copies the records beside a vault, if there are any. With a second name only, what is written to the one would
    /// be in the other.
    fn copy(&mut self, redo: &Path, second: &Path) -> Result<(), Error> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let from = match File::options().read(true).custom_flags(flags).open(redo) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // open(2): a symbolic link; a socket.
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::LOOP | Errno::NXIO) => return Err(Error::RedoNotAFile),
                _ => return Err(Error::Storage(error)),
            },
            Ok(from) => from,
        };
        if !from.metadata().map_err(Error::Storage)?.is_file() {
            return Err(Error::RedoNotAFile);
        }
        let mut to = File::options().write(true).create_new(true).mode(0o600).open(second).map_err(taken)?;
        self.0.push(second.to_owned());
        // More is never read of it.
        io::copy(&mut from.take(redo::CAPACITY), &mut to).and_then(|_| to.sync_all()).map_err(Error::Storage)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for name in &self.0 {
            // What was there has its own name still; this one does no harm if it stays.
            let _ = fs::remove_file(name);
        }
    }
}

fn taken(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::AlreadyExists { Error::Exists } else { Error::Storage(error) }
}

/// How the file of a store begins: redb's `docs/design.md`.
const STORE: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// The file of a backup.
///
/// # Errors
/// [`Error::NotAFile`], [`Error::NotABackup`] if it is that of a vault, [`Error::Storage`].
pub fn open_backup(path: &Path) -> Result<File, Error> {
    // A FIFO that nobody writes to would keep whoever opens it.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(Error::Storage)?;
    if !file.metadata().map_err(Error::Storage)?.is_file() {
        return Err(Error::NotAFile);
    }
    let mut begins = [0; STORE.len()];
    match file.read_exact_at(&mut begins, 0) {
        Ok(()) if begins == *STORE => Err(Error::NotABackup),
        // What is too short for either is found to be so when it is read.
        _ => Ok(file),
    }
}
