//! Settings: policy, limits and anchors, sealed under a key of their own. Whatever could weaken security if
//! it were altered belongs here.

use glassdome_lockmem::{LockedBytes, scrub_stack};
use zeroize::Zeroizing;

use crate::aad::Place;
use crate::header::VaultId;
use crate::keys::Keys;
use crate::record::Bytes;
use crate::state::State;
use crate::store::{Reader, Table};
use crate::{Damage, Error, rows, seal, state};

/// The largest setting, in bytes: 1 MiB.
pub const MAX_SETTING: usize = 1024 * 1024;
/// The most settings.
pub const MAX_SETTINGS: usize = 256;
/// The longest key of a setting, in bytes.
const MAX_KEY: usize = 64;

/// A setting's key: 1 to 64 bytes of printable ASCII, and not the one that is taken.
pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    let printable = key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.is_empty() || key.len() > MAX_KEY || !printable || key.as_bytes() == state::KEY {
        return Err(Error::Name);
    }
    Ok(())
}

/// Seals a setting into its row.
pub(crate) fn to_row(
    vault: &VaultId,
    keys: &Keys,
    key: &str,
    version: u64,
    value: &[u8],
) -> Result<Vec<u8>, Error> {
    rows::seal(keys.settings(), &place(vault, key, version), &Bytes(value))
}

/// Reads a setting, if there is one, where all settings and key slots are what the last change left.
pub(crate) fn read(
    vault: &VaultId,
    keys: &Keys,
    key: &str,
    reader: &Reader,
) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    check_key(key)?;
    State::read(vault, keys, reader)?.0.check_control(keys, reader)?;
    let row = reader.get(Table::Sealed, key.as_bytes())?;
    row.map(|row| from_row(vault, keys, key, row.value())).transpose()
}

/// Reads a setting that is a key, if there is one: from locked memory into locked memory. Whether the settings are what
/// the last change left is for whoever calls.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Memory`].
pub(crate) fn read_locked(
    vault: &VaultId,
    keys: &Keys,
    key: &str,
    reader: &Reader,
) -> Result<Option<LockedBytes>, Error> {
    let Some(row) = reader.get(Table::Sealed, key.as_bytes())? else { return Ok(None) };
    let (version, sealed) = row.value().split_first_chunk().ok_or(Damage::Row)?;
    let length = seal::plain_length(sealed).ok_or(Damage::Row)?;
    let mut plain = LockedBytes::zeroed(length)?;
    let place = place(vault, key, u64::from_le_bytes(*version));
    seal::open_into(keys.settings(), &place, sealed, plain.expose_mut()).map_err(|_| Damage::Row)?;
    let Bytes(value) = rows::decode(plain.expose())?;
    let value = LockedBytes::copied_from(value)?;
    scrub_stack();
    Ok(Some(value))
}

/// Opens a setting's row.
fn from_row(vault: &VaultId, keys: &Keys, key: &str, row: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (_, plain) = rows::open(keys.settings(), &place(vault, key, 0), row)?;
    let Bytes(value) = rows::decode(&plain)?;
    Ok(Zeroizing::new(value.to_vec()))
}

/// The version in a row, which counts the changes of one setting.
pub(crate) fn version(row: &[u8]) -> Result<u64, Error> {
    let (version, _) = row.split_first_chunk().ok_or(Damage::Row)?;
    Ok(u64::from_le_bytes(*version))
}

fn place<'a>(vault: &'a VaultId, key: &'a str, version: u64) -> Place<'a> {
    Place { vault, table: Table::Sealed, id: key.as_bytes(), version }
}
