//! The last change of the new file: what is sealed beside the secrets, so that a person finds everything as it was.

use crate::aad::Place;
use crate::draft::Change;
use crate::keys::Keys;
use crate::multiset::element;
use crate::state::{self, ENTRY_TABLES, State};
use crate::store::{Reader, Table};
use crate::traceless::traceless;
use crate::vault::Vault;
use crate::{Error, PinVerifier, contexts, pin, setting};

use super::Rotation;
use super::pass::{Pass, anew, half, nonce};

impl Rotation {
    /// The settings, under the new keys. When it is committed to [`Rotation::vault`], that is the whole vault as it was
    /// when `pass` ended, and nothing else.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the pass has not come to its end, or the vault was changed since; [`Error::HalfRotated`]
    /// if the new file has more or less than that, or is damaged; [`Error::Corrupt`], [`Error::Storage`].
    pub fn finish(&self, pass: &Pass, vault: &Vault, old: &Keys, new: &Keys) -> Result<Change, Error> {
        traceless(|| self.seal_settings(pass, vault, old, new))
    }

    fn seal_settings(&self, pass: &Pass, vault: &Vault, old: &Keys, new: &Keys) -> Result<Change, Error> {
        if !pass.is_current(vault, old)? {
            return Err(Error::Conflict);
        }
        let (from, to) = (vault.store().reader()?, self.to.store().reader().map_err(half)?);
        for table in ENTRY_TABLES {
            if from.count(table)? != to.count(table).map_err(half)? {
                return Err(Error::HalfRotated);
            }
        }
        let id = vault.id();
        let mut draft = self.to.draft(new).map_err(half)?;
        for key in keys_of(&to).map_err(half)? {
            draft.write(Table::Sealed, key, None);
        }
        let mut has_pin_key = false;
        from.each(Table::Sealed, None, |key, row| {
            // The one seals the others, and the other is made of the keys.
            if key != state::KEY && key != contexts::SETTING.as_bytes() {
                let nonce = nonce(new, &element(old.set(), Table::Sealed, key, row));
                let place = Place { vault: &id, table: Table::Sealed, id: key, version: 0 };
                let (sealed, _) = anew((old.settings(), new.settings()), &place, row, &nonce)?;
                draft.write(Table::Sealed, key.to_vec(), Some(sealed));
                has_pin_key |= key == pin::KEY_SETTING.as_bytes();
            }
            Ok(true)
        })?;
        if !has_pin_key && from.get(Table::Sealed, PinVerifier::SETTING.as_bytes())?.is_some() {
            // What the PIN is compared under stays what it was made under.
            let row = setting::to_row(&id, new, pin::KEY_SETTING, 1, old.settings())?;
            draft.write(Table::Sealed, pin::KEY_SETTING.as_bytes().to_vec(), Some(row));
        }
        let former = from.get(Table::Sealed, contexts::SETTING.as_bytes())?;
        let version = former.map(|row| setting::version(row.value())).transpose()?.unwrap_or_default();
        if let Some(row) = contexts::to_row(&id, new, version + 1)? {
            draft.write(Table::Sealed, contexts::SETTING.as_bytes().to_vec(), Some(row));
        }
        // Nobody who remembers how far the vault had come takes the new file for an older one.
        draft.count_from(State::read(&id, old, &from)?.0.generation);
        draft.finish().map_err(half)
    }
}

/// The settings that are there, without what seals them all.
fn keys_of(reader: &Reader) -> Result<Vec<Vec<u8>>, Error> {
    let mut keys = Vec::new();
    reader.each(Table::Sealed, None, |key, _| {
        if key != state::KEY {
            keys.push(key.to_vec());
        }
        Ok(true)
    })?;
    Ok(keys)
}
