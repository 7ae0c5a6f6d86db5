//! A key slot: how a password, or a recovery code, opens the master key, and the wrapped master key itself.

use crate::aad::Place;
use crate::device::{DeviceKeyId, ID};
use crate::header::VaultId;
use crate::kdf::{KdfInput, KdfParams, Kek};
use crate::keys::{KEY, Keys};
use crate::seal::{self, OVERHEAD, Refusal};
use crate::store::{Reader, Table};
use crate::{Damage, Error};

/// The most key slots that a vault may have: one of each kind.
pub(crate) const MAX_SLOTS: usize = SlotKind::ALL.len();

/// What opens a slot. Each kind has its id: a vault has one slot with a password, and at most one of any other kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotKind {
    /// The master password.
    Password,
    /// The recovery code.
    Recovery,
}

impl SlotKind {
    const ALL: [Self; 2] = [Self::Password, Self::Recovery];

    /// The id of its slot.
    fn slot(self) -> u8 {
        match self {
            Self::Password => 0,
            Self::Recovery => 1,
        }
    }
}

/// A slot, as everybody sees it who has the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotInfo {
    /// Its id.
    pub id: u8,
    /// What opens it.
    pub kind: SlotKind,
    /// What a try costs.
    pub params: KdfParams,
    /// The device key that it takes beside that.
    pub device: Option<DeviceKeyId>,
}

/// `kind (1) ‖ m, t, p (u32 each) ‖ length of the salt (1)`.
const HEAD: usize = 14;
/// What kind of slot a row is of: a password's, a recovery code's, a password's that is bound to a device key.
const PASSWORD: u8 = 1;
const RECOVERY: u8 = 2;
const BOUND: u8 = 3;

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
        let kind = match head[0] {
            PASSWORD | BOUND => SlotKind::Password,
            RECOVERY => SlotKind::Recovery,
            _ => return Err(Damage::Slot.into()),
        };
        if kind.slot() != id {
            return Err(Damage::Slot.into());
        }
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let params = KdfParams::new(word(1), word(5), word(9))?;
        let (salt, rest) = rest.split_at_checked(usize::from(head[13])).ok_or(Damage::Slot)?;
        let (device, sealed) = match head[0] {
            BOUND => {
                let (id, sealed) = rest.split_first_chunk::<ID>().ok_or(Damage::Slot)?;
                (Some(DeviceKeyId::from_bytes(*id)), sealed)
            }
            _ => (None, rest),
        };
        if sealed.len() != OVERHEAD + KEY {
            return Err(Damage::Slot.into());
        }
        Ok(Self { input: KdfInput::read(id, kind, params, salt, device)?, sealed })
    }

    /// Opens the master key. The commitment tells a wrong password from a damaged slot; what the slot is bound to is
    /// told before, and held by the key: with another kind in the row another key is derived.
    pub fn unwrap(&self, vault: &VaultId, kek: &Kek) -> Result<Keys, Error> {
        kek.check(&self.input)?;
        let id = [self.input.slot()];
        Keys::from_master(self.input.kind(), |master| {
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
    kek.check(input)?;
    let params = input.params();
    let mut row = vec![match (input.kind(), input.device()) {
        (SlotKind::Password, None) => PASSWORD,
        (SlotKind::Password, Some(_)) => BOUND,
        (SlotKind::Recovery, _) => RECOVERY,
    }];
    for word in [params.m_kib(), params.t(), params.p()] {
        row.extend_from_slice(&word.to_le_bytes());
    }
    row.push(u8::try_from(input.salt().len()).expect("a salt is at most 32 bytes"));
    row.extend_from_slice(input.salt());
    if let Some(device) = input.device() {
        row.extend_from_slice(device.as_bytes());
    }
    let id = [input.slot()];
    seal::seal_onto(&mut row, kek.expose(), &place(vault, &id), KEY, |out| {
        out.copy_from_slice(keys.master());
        Ok(())
    })?;
    Ok(row)
}

/// The inputs of all slots in the order of their ids: one that is out of bounds condemns the vault, and so does none
/// with a password.
pub(crate) fn inputs(reader: &Reader) -> Result<Vec<KdfInput>, Error> {
    let mut inputs: Vec<KdfInput> = Vec::new();
    reader.each(Table::Slots, None, |id, row| {
        inputs.push(Slot::from_row(id, row)?.input);
        Ok(true)
    })?;
    match inputs.iter().any(|input| input.kind() == SlotKind::Password) {
        true => Ok(inputs),
        false => Err(Damage::Slot.into()),
    }
}

/// What to derive the key of a new slot from.
pub(crate) fn new_input(kind: SlotKind, params: KdfParams) -> Result<KdfInput, Error> {
    KdfInput::fresh(kind.slot(), kind, params)
}

fn place<'a>(vault: &'a VaultId, id: &'a [u8]) -> Place<'a> {
    Place { vault, table: Table::Slots, id, version: 0 }
}
