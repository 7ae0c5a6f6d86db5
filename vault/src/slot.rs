//! A key slot: how one password opens the master key, and the wrapped master key itself.

use crate::aad::Place;
use crate::header::VaultId;
use crate::kdf::{KdfInput, KdfParams, Kek};
use crate::keys::{KEY, Keys};
use crate::seal::{self, OVERHEAD, Refusal};
use crate::store::{Reader, Table};
use crate::{Damage, Error};

/// The most key slots that a vault may have.
pub const MAX_SLOTS: usize = 16;

/// The slot that a new vault's password gets.
pub(crate) const FIRST: u8 = 0;

/// The kind of slot that a password opens. Other kinds belong to later versions.
const PASSWORD: u8 = 1;
/// `kind (1) ‖ m, t, p (u32 each) ‖ length of the salt (1)`.
const HEAD: usize = 14;

/// A slot, read and within bounds.
pub(crate) struct Slot<'a> {
    pub input: KdfInput,
    sealed: &'a [u8],
}

impl<'a> Slot<'a> {
    /// Reads a slot's row.
    pub fn from_row(id: &[u8], row: &'a [u8]) -> Result<Self, Error> {
        let &[id] = id else { return Err(Damage::Slot.into()) };
        let (head, rest) = row.split_first_chunk::<HEAD>().ok_or(Damage::Slot)?;
        if head[0] != PASSWORD {
            return Err(Damage::Slot.into());
        }
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let params = KdfParams::new(word(1), word(5), word(9))?;
        let (salt, sealed) = rest.split_at_checked(usize::from(head[13])).ok_or(Damage::Slot)?;
        if sealed.len() != OVERHEAD + KEY {
            return Err(Damage::Slot.into());
        }
        Ok(Self { input: KdfInput::read(id, params, salt)?, sealed })
    }

    /// Opens the master key. The commitment tells a wrong password from a damaged slot.
    pub fn unwrap(&self, vault: &VaultId, kek: &Kek) -> Result<Keys, Error> {
        let id = [self.input.slot()];
        Keys::from_master(|master| {
            seal::open_into(kek.expose(), &place(vault, &id), self.sealed, master).map_err(|refusal| {
                match refusal {
                    Refusal::Commitment => Error::WrongPassword,
                    Refusal::Tag => Damage::Slot.into(),
                }
            })
        })
    }
}

/// The row of a slot that `kek` opens.
pub(crate) fn wrap(vault: &VaultId, keys: &Keys, input: &KdfInput, kek: &Kek) -> Result<Vec<u8>, Error> {
    let params = input.params();
    let mut row = vec![PASSWORD];
    for word in [params.m_kib(), params.t(), params.p()] {
        row.extend_from_slice(&word.to_le_bytes());
    }
    row.push(u8::try_from(input.salt().len()).expect("a salt is at most 32 bytes"));
    row.extend_from_slice(input.salt());
    let id = [input.slot()];
    seal::seal_onto(&mut row, kek.expose(), &place(vault, &id), KEY, |out| {
        out.copy_from_slice(keys.master());
        Ok(())
    })?;
    Ok(row)
}

/// The input of the first slot, having looked at all of them: one that is out of bounds condemns the vault.
pub(crate) fn first_input(reader: &Reader) -> Result<KdfInput, Error> {
    let mut first = None;
    let mut count = 0;
    reader.each(Table::Slots, None, |id, row| {
        count += 1;
        if count > MAX_SLOTS {
            return Err(Damage::Slot.into());
        }
        let slot = Slot::from_row(id, row)?;
        first.get_or_insert(slot.input);
        Ok(true)
    })?;
    first.ok_or(Error::Corrupt(Damage::Slot))
}

fn place<'a>(vault: &'a VaultId, id: &'a [u8]) -> Place<'a> {
    Place { vault, table: Table::Slots, id, version: 0 }
}
