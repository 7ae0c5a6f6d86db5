//! Keys of contexts: what `encrypt` and `decrypt` derive a message's key from, and those of former master keys,
//! which are kept so that what was encrypted before a rotation stays readable.
//!
//! ```text
//! contexts key ── BLAKE3 derive_key ──┬─► key id (16), public: which contexts key a message needs
//!                                     └─► context key (32), with the context's name
//! ```
//!
//! Whoever changes the master key makes the new [`Keys`], lets them [inherit] those before, and writes the
//! row of [`SETTING`] that [`to_row`] gives into the vault that they open.

use std::fmt;

use glassdome_lockmem::LockedBytes;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::header::VaultId;
use crate::keys::{KEY, Keys};
use crate::seal::derive;
use crate::store::Reader;
use crate::{Damage, Error, setting};

/// The setting whose row holds the retired contexts keys, the youngest first.
pub(crate) const SETTING: &str = "retired-contexts";
/// The most contexts keys that are kept; the oldest goes when another one comes.
pub(crate) const MAX_RETIRED: usize = 1024;
/// Length of a key id, in bytes.
pub(crate) const KEY_ID: usize = 16;

/// BLAKE3 context of the key id.
const ID: &str = "glassdome v1 contexts id";
/// BLAKE3 context of the key of one context.
const CONTEXT: &str = "glassdome v1 context";

/// Which contexts key it is. Says nothing about the key, and differs for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyId([u8; KEY_ID]);

impl KeyId {
    /// From its bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_ID]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_ID] {
        &self.0
    }

    pub(crate) fn of(contexts: &[u8]) -> Self {
        let mut id = [0; KEY_ID];
        derive(ID, &[contexts], &mut id);
        Self(id)
    }
}

/// The key of one context. Wiped when dropped; there is no copy and no way to print it.
pub(crate) struct ContextKey(Zeroizing<[u8; KEY]>);

impl ContextKey {
    /// The key `id` for `context`; `None` if these keys do not have it, retired ones included.
    pub fn find(keys: &Keys, id: &KeyId, context: &str) -> Option<Self> {
        let contexts = all(keys).find(|contexts| KeyId::of(contexts) == *id)?;
        let mut key = Zeroizing::new([0; KEY]);
        // The contexts key has one length: no name can be told as another's end of it.
        derive(CONTEXT, &[contexts, context.as_bytes()], &mut key[..]);
        Some(Self(key))
    }

    /// The key, for deriving only.
    pub fn expose(&self) -> &[u8; KEY] {
        &self.0
    }
}

impl fmt::Debug for ContextKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContextKey(…)")
    }
}

/// Which contexts key encrypts now.
pub(crate) fn current(keys: &Keys) -> KeyId {
    KeyId::of(keys.contexts())
}

/// Whether it is the contexts key in use, or a retired one.
pub(crate) fn knows(keys: &Keys, id: &KeyId) -> bool {
    all(keys).any(|contexts| KeyId::of(contexts) == *id)
}

/// The contexts key in use, then the retired ones.
pub(crate) fn all(keys: &Keys) -> impl Iterator<Item = &[u8]> {
    std::iter::once(keys.contexts()).chain(keys.retired().chunks_exact(KEY))
}

/// Makes what `former` encrypts by, and what it had retired, the retired contexts keys of `keys`. Does nothing
/// where both are of one master key.
///
/// # Errors
/// [`Error::Memory`].
pub(crate) fn inherit(keys: &mut Keys, former: &Keys) -> Result<(), Error> {
    if bool::from(keys.contexts().ct_eq(former.contexts())) {
        return Ok(());
    }
    let count = all(former).count().min(MAX_RETIRED);
    let mut retired = LockedBytes::zeroed(count * KEY)?;
    for (place, contexts) in retired.expose_mut().chunks_exact_mut(KEY).zip(all(former)) {
        place.copy_from_slice(contexts);
    }
    keys.set_retired(retired);
    Ok(())
}

/// The row of [`SETTING`] that keeps the retired contexts keys of `keys`, as that version of the setting; `None`
/// if there are none to keep.
///
/// # Errors
/// [`Error::Random`].
pub(crate) fn to_row(vault: &VaultId, keys: &Keys, version: u64) -> Result<Option<Vec<u8>>, Error> {
    if keys.retired().is_empty() {
        return Ok(None);
    }
    setting::to_row(vault, keys, SETTING, version, keys.retired()).map(Some)
}

/// Reads the row of [`SETTING`], if there is one, into `keys`: from locked memory into locked memory.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Memory`].
pub(crate) fn read(vault: &VaultId, keys: &mut Keys, reader: &Reader) -> Result<(), Error> {
    let Some(retired) = setting::read_locked(vault, keys, SETTING, reader)? else { return Ok(()) };
    let length = retired.expose().len();
    if length == 0 || !length.is_multiple_of(KEY) || length > MAX_RETIRED * KEY {
        return Err(Damage::Row.into());
    }
    keys.set_retired(retired);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SlotKind;
    use crate::store::Table;

    fn keys(byte: u8) -> Keys {
        let fill = |master: &mut [u8]| {
            master.fill(byte);
            Ok(())
        };
        Keys::from_master(SlotKind::Password, fill).unwrap()
    }

    fn key(keys: &Keys, id: &KeyId, context: &str) -> Option<[u8; KEY]> {
        ContextKey::find(keys, id, context).map(|key| *key.expose())
    }

    #[test]
    fn ids_and_keys_are_what_the_page_says() {
        let own = keys(1);
        let contexts = blake3::derive_key("glassdome v1 contexts", &[1; KEY]);
        let id = blake3::derive_key("glassdome v1 contexts id", &contexts);
        assert_eq!(current(&own).as_bytes()[..], id[..KEY_ID]);
        let material = [&contexts[..], b"backups"].concat();
        let expected = blake3::derive_key("glassdome v1 context", &material);
        assert_eq!(key(&own, &current(&own), "backups"), Some(expected));
        assert_ne!(key(&own, &current(&own), "backup"), Some(expected), "each context has its own");
        assert_eq!(key(&own, &current(&keys(2)), "backups"), None, "a foreign one has no key");
        assert_eq!(format!("{:?}", ContextKey::find(&own, &current(&own), "a").unwrap()), "ContextKey(…)");
    }

    #[test]
    fn what_former_keys_encrypted_stays_readable_through_any_number_of_rotations() {
        let all: Vec<Keys> = (1..=4).map(keys).collect();
        let expected: Vec<_> =
            all.iter().map(|keys| (current(keys), key(keys, &current(keys), "c"))).collect();
        let mut now = keys(1);
        for byte in 2..=4 {
            let mut next = keys(byte);
            inherit(&mut next, &now).unwrap();
            now = next;
        }
        assert_eq!(now.retired().len(), 3 * KEY);
        for (id, expected) in expected {
            assert_eq!(key(&now, &id, "c"), expected);
        }
        assert_eq!(now.retired()[..KEY], *all[2].contexts(), "the youngest first");
        let before = now.retired().to_vec();
        inherit(&mut now, &keys(4)).unwrap();
        assert_eq!(now.retired(), before, "the same master key retires nothing");
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut former = keys(1);
        former.set_retired(LockedBytes::zeroed(MAX_RETIRED * KEY).unwrap());
        let mut next = keys(2);
        inherit(&mut next, &former).unwrap();
        assert_eq!(next.retired().len(), MAX_RETIRED * KEY);
        assert_eq!(next.retired()[..KEY], *former.contexts());
    }

    #[test]
    fn without_a_retired_key_there_is_no_row() {
        assert!(to_row(&VaultId::from_bytes([1; 16]), &keys(1), 1).unwrap().is_none());
    }

    #[test]
    fn retired_keys_come_back_from_their_row_and_no_other_row_is_taken_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let params = crate::kdf::KdfParams::FLOOR;
        let input = crate::Vault::new_kdf_input(SlotKind::Password, params).unwrap();
        let password = LockedBytes::copied_from(b"a password").unwrap();
        let kek = crate::kdf::derive(&input, &password).unwrap();
        let (vault, mut own) =
            crate::Vault::create(&directory.path().join("vault"), &input, &kek, 0).unwrap();
        inherit(&mut own, &keys(7)).unwrap();

        let put = |row: Vec<u8>| {
            let mut draft = vault.draft(&own).unwrap();
            draft.put_row(Table::Sealed, SETTING.as_bytes(), row);
            vault.commit(draft.finish().unwrap()).unwrap();
            vault.unwrap(&kek)
        };
        let opened = put(to_row(&vault.id(), &own, 3).unwrap().unwrap()).unwrap();
        assert_eq!(opened.retired(), keys(7).contexts());
        assert_eq!(current(&opened), current(&own));
        let id = vault.id();
        for bad in [&b""[..], &[1; KEY + 1], &vec![1; (MAX_RETIRED + 1) * KEY]] {
            let row = setting::to_row(&id, &own, SETTING, 3, bad).unwrap();
            assert!(matches!(put(row), Err(Error::Corrupt(Damage::Row))), "{}", bad.len());
        }
        assert!(matches!(put(vec![0; 9]), Err(Error::Corrupt(Damage::Row))));
        let elsewhere = to_row(&VaultId::from_bytes([9; 16]), &own, 3).unwrap().unwrap();
        assert!(matches!(put(elsewhere), Err(Error::Corrupt(Damage::Row))));
    }
}
