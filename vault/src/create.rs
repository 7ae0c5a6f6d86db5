//! A new vault, there whole or not at all: it is built in a file beside, readable by its owner only from the
//! first moment, and linked to its name when it is on the disk. A link, unlike a rename, replaces nothing.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::half_made::{Draft, directory_of};
use crate::header::{self, Header};
use crate::kdf::{KdfInput, Kek};
use crate::keys::Keys;
use crate::state::{self, State};
use crate::store::{NewRow, Store, Table};
use crate::{Error, slot};

/// Makes a vault file that `kek` opens.
pub(crate) fn create(path: &Path, input: &KdfInput, kek: &Kek, now: u64) -> Result<(), Error> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(Error::Exists);
    }
    let rows = first_rows(&Header::new(now)?, &Keys::random()?, input, kek)?;
    let mut rows = rows.into_iter();
    let draft = build_beside(path, || Ok(rows.next()))?;
    fs::hard_link(draft.path(), path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists,
        _ => Error::Storage(error),
    })?;
    drop(draft);
    sync_directory_of(path)
}

/// Builds a vault file of the rows that `next` gives, on the disk and beside `path`.
pub(crate) fn build_beside(
    path: &Path,
    next: impl FnMut() -> Result<Option<NewRow>, Error>,
) -> Result<Draft, Error> {
    let draft = Draft::beside(path)?;
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(draft.path());
    let file = file.map_err(Error::Storage)?;
    let synced = file.try_clone().map_err(Error::Storage)?;
    Store::create(file, next)?;
    synced.sync_all().map_err(Error::Storage)?;
    Ok(draft)
}

/// Brings the names in the directory of `path` to the disk.
pub(crate) fn sync_directory_of(path: &Path) -> Result<(), Error> {
    open_directory_of(path)?.sync_all().map_err(Error::Storage)
}

/// The directory of `path`, to be brought to the disk later.
pub(crate) fn open_directory_of(path: &Path) -> Result<File, Error> {
    File::open(directory_of(path)).map_err(Error::Storage)
}

/// The rows of a vault without secrets.
pub(crate) fn first_rows(
    header: &Header,
    keys: &Keys,
    input: &KdfInput,
    kek: &Kek,
) -> Result<Vec<NewRow>, Error> {
    let mut rows: Vec<NewRow> = vec![
        (Table::Header, header::KEY.to_vec(), header.to_row()),
        (Table::Slots, vec![input.slot()], slot::wrap(&header.id, keys, input, kek)?),
    ];
    let mut state = State { generation: 1, ..State::default() };
    for (table, key, row) in &rows {
        state.control.add(keys.set(), *table, key, row);
    }
    rows.push((Table::Sealed, state::KEY.to_vec(), state.to_row(&header.id, keys)?));
    Ok(rows)
}
