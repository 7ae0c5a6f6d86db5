//! Where the files of a rotation lie: in a directory of their own beside the vault, so that what was left by a kill is
//! known by its name. Nothing in it is read by whoever opens the vault.
//!
//! | file | is there |
//! |---|---|
//! | `key` | from the beginning: the new master key, in a slot |
//! | `new`, `new.redo` | until it takes the vault's place |
//! | `former` | from just before that: the old file by a second name, until it is overwritten |
//!
//! As long as `new` is there the vault is the old one, and `former` a name too many. When it is not, or is another name of
//! the vault, the vault is the new one, and what is called `former` is to go.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::create::sync_directory_of;
use crate::identity::Identity;
use crate::mark::Mark;
use crate::redo::Redo;
use crate::store::{Table, Unchanged};
use crate::vault::read_header;
use crate::{Damage, Error, slot, state};

/// The longest slot, in bytes.
const SLOT: u64 = 1024;
/// So much is overwritten in one go, in bytes.
const PART: usize = 1024 * 1024;

/// What became of a former file, and of what lay beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The names that it has elsewhere: then it was not overwritten. 0 if it was, or there was none.
    pub other_names: u64,
    /// Where what was nothing of ours is now, if anything was.
    pub aside: Option<PathBuf>,
}

/// The directory of the rotation of one vault.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    vault: PathBuf,
}

impl Directory {
    /// That of the vault at `vault`; it need not be there.
    pub fn beside(vault: &Path) -> Self {
        let mut name = vault.file_name().unwrap_or_default().to_owned();
        name.push(".rotation");
        Self { path: vault.with_file_name(name), vault: vault.to_owned() }
    }

    /// The new file.
    pub fn vault(&self) -> PathBuf {
        self.path.join("new")
    }

    /// The old file, when the new one takes its place.
    pub fn former(&self) -> PathBuf {
        self.path.join("former")
    }

    pub fn key(&self) -> PathBuf {
        self.path.join("key")
    }

    /// What lies under its name.
    pub fn is_there(&self) -> Result<bool, Error> {
        match self.path.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::Storage(error)),
        }
    }

    /// Whether the new file has not taken the vault's place yet. What is only another name of the vault is none.
    pub fn is_unfinished(&self) -> bool {
        let Ok(new) = self.vault().symlink_metadata() else { return false };
        let is_vault = Identity::at(&self.vault).is_ok_and(|vault| vault == Some(Identity::from(&new)));
        self.is_directory() && new.is_file() && !is_vault
    }

    /// Makes it, empty and for its owner only, for a vault in that state. Of what lies there a former file of it that is
    /// still to be overwritten is overwritten first; one that is of another, or newer, is set aside.
    pub fn make(&self, vault: &Mark) -> Result<(), Error> {
        if self.is_unfinished() {
            self.remove_or_set_aside()?;
        } else if self.has_former() && !is_replaced_by(vault, &self.former()) {
            self.set_aside()?;
        } else {
            self.erase_former(None)?;
        }
        DirBuilder::new().mode(0o700).create(&self.path).map_err(Error::Storage)?;
        sync_directory_of(&self.path)
    }

    /// Brings the names in it to the disk.
    pub fn sync(&self) -> Result<(), Error> {
        self.opened()?.sync_all().map_err(Error::Storage)
    }

    /// The directory itself, to be brought to the disk later.
    pub fn opened(&self) -> Result<File, Error> {
        File::open(&self.path).map_err(Error::Storage)
    }

    pub fn write_key(&self, row: &[u8]) -> Result<(), Error> {
        let file = File::options().write(true).create_new(true).mode(0o600).open(self.key());
        file.and_then(|mut file| file.write_all(row).and_then(|()| file.sync_all())).map_err(Error::Storage)
    }

    pub fn read_key(&self) -> Result<Option<Vec<u8>>, Error> {
        let Some(file) = open(&self.key(), File::options().read(true))? else { return Ok(None) };
        let mut row = Vec::new();
        file.take(SLOT).read_to_end(&mut row).map_err(Error::Storage)?;
        Ok(Some(row))
    }

    /// Whether there is a file that is called `former`.
    pub fn has_former(&self) -> bool {
        self.is_directory() && self.former().symlink_metadata().is_ok_and(|about| about.is_file())
    }

    /// Whether what is called `former` is nothing but another name of the vault, or nothing at all.
    pub fn former_is_needless(&self) -> bool {
        match (Identity::at(&self.former()), Identity::at(&self.vault)) {
            (Ok(Some(former)), Ok(vault)) => vault == Some(former),
            (former, _) => former.is_ok_and(|former| former.is_none()),
        }
    }

    /// Gives the vault's file a second name, by which it is found to be overwritten when it is the former one.
    pub fn second_name(&self) -> Result<(), Error> {
        if !self.former_is_needless() {
            return Err(Error::Storage(io::ErrorKind::AlreadyExists.into()));
        }
        let former = self.former();
        gone(fs::remove_file(&former))
            .and_then(|()| fs::hard_link(&self.vault, former))
            .map_err(Error::Storage)
    }

    /// Takes that name away, where the vault is still the old file: so it is told to be nobody's copy. What cannot be
    /// removed is whoever's who comes next.
    pub fn drop_second_name(&self) {
        if self.former_is_needless() {
            let _ = fs::remove_file(self.former());
        }
    }

    /// Whether it can have one, where the system or the file system may not let it.
    pub fn try_second_name(&self) -> Result<(), Error> {
        self.second_name()?;
        fs::remove_file(self.former()).map_err(Error::Storage)
    }

    /// Takes all of it away; but not what may be the last name of a file.
    pub fn remove(&self) -> Result<(), Error> {
        if !self.former_is_needless() {
            return Err(Error::Storage(io::ErrorKind::DirectoryNotEmpty.into()));
        }
        let vault = self.vault();
        let removed = [&self.former(), &vault, &Redo::path_beside(&vault), &self.key()]
            .into_iter()
            .try_for_each(|file| gone(fs::remove_file(file)))
            .and_then(|()| gone(fs::remove_dir(&self.path)));
        removed.map_err(Error::Storage)
    }

    /// As [`Directory::remove`]; what cannot be removed, since it is nothing of ours, is set aside: it keeps nobody from
    /// what is to be done. Gives where it is then.
    pub fn remove_or_set_aside(&self) -> Result<Option<PathBuf>, Error> {
        if self.is_directory() && self.remove().is_ok() { Ok(None) } else { self.set_aside() }
    }

    /// Whether it is one. Of what a link leads to nothing is looked at.
    pub fn is_directory(&self) -> bool {
        self.path.symlink_metadata().is_ok_and(|about| about.is_dir())
    }

    /// Gives all of it another name, which it returns, if anything is there.
    pub fn set_aside(&self) -> Result<Option<PathBuf>, Error> {
        if !self.is_there()? {
            return Ok(None);
        }
        for number in 1_u32.. {
            let mut name = self.path.file_name().unwrap_or_default().to_owned();
            name.push(format!(".aside-{number}"));
            let aside = self.path.with_file_name(name);
            match renameat_with(CWD, &self.path, CWD, &aside, RenameFlags::NOREPLACE) {
                Ok(()) => {
                    sync_directory_of(&self.path)?;
                    return Ok(Some(aside));
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(Error::Storage(error.into())),
            }
        }
        Err(Error::Exists)
    }

    /// Overwrites the former file and takes all away, once the new file is the vault: `former`, if whoever calls has it
    /// open, and else what has that name. A file that has yet another name is somebody's copy, and stays as it is under
    /// that. What is nothing of ours is set aside.
    pub fn erase_former(&self, former: Option<File>) -> Result<Erased, Error> {
        let is_directory = self.is_directory();
        let former = match former {
            None if is_directory => open(&self.former(), File::options().write(true))?,
            known => known,
        };
        if former.is_some() {
            // Whatever becomes of the machine, the disk has what replaced it under its name.
            sync_directory_of(&self.vault)?;
        }
        let about = former.as_ref().map(erase).transpose()?;
        let other_names = about.as_ref().map_or(0, |about| about.nlink().saturating_sub(1));
        if !is_directory {
            return self.set_aside().map(|aside| Erased { other_names, aside });
        }
        if let Some(key) = open(&self.key(), File::options().write(true))? {
            erase(&key)?;
        }
        let named = Identity::at(&self.former()).ok().flatten();
        if named.is_some() && named == about.as_ref().map(Identity::from) {
            fs::remove_file(self.former()).map_err(Error::Storage)?;
        }
        self.remove_or_set_aside().map(|aside| Erased { other_names, aside })
    }
}

/// Whether a vault in that state has replaced what lies at `former`: that is the same vault of before, or none any more,
/// as when its overwriting was begun. A rotation counts as a change, so what has replaced it is ahead of it.
pub(super) fn is_replaced_by(vault: &Mark, former: &Path) -> bool {
    match mark_of(former) {
        Ok(Some(found)) => found.vault == vault.vault && found.generation < vault.generation,
        Ok(None) => false,
        Err(error) => matches!(error, Error::Corrupt(_)),
    }
}

/// Which state of which vault a file says that it is, which nobody can prove without its keys; `None` if none is there.
pub(super) fn mark_of(path: &Path) -> Result<Option<Mark>, Error> {
    let Some(file) = Unchanged::open(path)? else { return Ok(None) };
    slot::inputs(file.reader())?;
    let id = read_header(file.reader())?.id;
    let row = file.reader().get(Table::Sealed, state::KEY)?.ok_or(Damage::Control)?;
    Mark::of(id, None, row.value()).ok_or(Damage::Control.into()).map(Some)
}

/// Overwrites a file that has no other name, and gives which it is.
fn erase(file: &File) -> Result<fs::Metadata, Error> {
    let about = file.metadata().map_err(Error::Storage)?;
    if about.nlink() <= 1 {
        overwrite(file, about.len()).map_err(Error::Storage)?;
    }
    Ok(about)
}

/// A regular file, if there is one. What else may lie there is not waited for, and no link is followed.
fn open(path: &Path, options: &mut fs::OpenOptions) -> Result<Option<File>, Error> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    match options.custom_flags(flags).open(path) {
        Ok(file) if file.metadata().map_err(Error::Storage)?.is_file() => Ok(Some(file)),
        Ok(_) => Ok(None),
        // open(2): a symbolic link; a socket; a directory that is to be written; none that leads there; a mode that no
        // rotation gives its files.
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::ISDIR | Errno::NOTDIR | Errno::ACCESS) => {
                Ok(None)
            }
            _ => Err(Error::Storage(error)),
        },
    }
}

/// Zeros over all of a file, on the disk as far as its file system writes where the bytes were.
fn overwrite(file: &File, length: u64) -> io::Result<()> {
    let zeros = vec![0; PART];
    let mut at = 0;
    while at < length {
        let part = PART.min(usize::try_from(length - at).unwrap_or(PART));
        file.write_all_at(&zeros[..part], at)?;
        at += part as u64;
    }
    file.sync_all()
}

pub(super) fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
