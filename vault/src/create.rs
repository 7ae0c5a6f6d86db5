//! A new vault, there whole or not at all: it is built in a file beside, readable by its owner only from the
//! first moment, and linked to its name when it is on the disk. A link, unlike a rename, replaces nothing.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::header::{self, Header};
use crate::kdf::{KdfInput, Kek};
use crate::keys::Keys;
use crate::state::{self, State};
use crate::store::{Op, Store, Table};
use crate::{Error, slot};

/// Makes a vault file that `kek` opens.
pub(crate) fn create(path: &Path, input: &KdfInput, kek: &Kek, now: u64) -> Result<(), Error> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(Error::Exists);
    }
    let rows = first_rows(input, kek, now)?;
    let draft = Draft::beside(path)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft.0)
        .map_err(Error::Storage)?;
    let synced = file.try_clone().map_err(Error::Storage)?;
    Store::create(file, rows)?;
    synced.sync_all().map_err(Error::Storage)?;
    fs::hard_link(&draft.0, path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists,
        _ => Error::Storage(error),
    })?;
    drop(draft);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(Error::Storage)
}

/// The rows of a vault without secrets.
fn first_rows(input: &KdfInput, kek: &Kek, now: u64) -> Result<Vec<Op>, Error> {
    let keys = Keys::random()?;
    let header = Header::new(now)?;
    let mut rows: Vec<Op> = vec![
        (Table::Header, header::KEY.to_vec(), Some(header.to_row())),
        (Table::Slots, vec![input.slot()], Some(slot::wrap(&header.id, &keys, input, kek)?)),
    ];
    let mut state = State { generation: 1, ..State::default() };
    for (table, key, row) in &rows {
        let row = row.as_deref().expect("a new vault deletes nothing");
        state.control.add(keys.set(), *table, key, row);
    }
    rows.push((Table::Sealed, state::KEY.to_vec(), Some(state.to_row(&header.id, &keys)?)));
    Ok(rows)
}

/// The file beside, gone when dropped.
struct Draft(PathBuf);

impl Draft {
    fn beside(path: &Path) -> Result<Self, Error> {
        let mut name = path.file_name().ok_or(Error::NotAFile)?.to_owned();
        name.push(format!(".{:016x}.new", getrandom::u64()?));
        Ok(Self(path.with_file_name(name)))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It may not have been made yet; and if it stays, it is a second name of a whole vault, or garbage.
        let _ = fs::remove_file(&self.0);
    }
}
