//! The device key: 32 random bytes that are kept outside the vault's file, in the OS keyring. Where the password's slot
//! is bound to one, file and password without it open nothing, however weak the password is.

use std::fmt;

use glassdome_lockmem::{LockedBytes, scrub_stack};
use subtle::ConstantTimeEq;

use crate::Error;
use crate::kdf::{KdfInput, Kek};
use crate::keys::KEY;
use crate::seal::derive;

/// BLAKE3 context of the key that opens a bound slot, over the output of Argon2id and the device key.
const KEK_CONTEXT: &str = "glassdome v1 device kek";
/// BLAKE3 context of a device key's id.
const ID_CONTEXT: &str = "glassdome v1 device key id";
/// Length of a device key's id, in bytes.
pub(crate) const ID: usize = 16;

/// Which device key a slot is bound to. Derived from the key, of which it says nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceKeyId([u8; ID]);

impl DeviceKeyId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; ID]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; ID] {
        &self.0
    }
}

/// A device key, in locked memory. Wiped when dropped.
pub struct DeviceKey {
    key: LockedBytes,
    id: DeviceKeyId,
}

impl DeviceKey {
    /// Length of one, in bytes.
    pub const LEN: usize = KEY;

    /// A new one.
    ///
    /// # Errors
    /// [`Error::Memory`], [`Error::Random`].
    pub fn random() -> Result<Self, Error> {
        let mut key = LockedBytes::zeroed(KEY)?;
        getrandom::fill(key.expose_mut())?;
        Ok(Self::of(key))
    }

    /// The one with this id, as a keyring gave it.
    ///
    /// # Errors
    /// [`Error::WrongDeviceKey`] if these are not its bytes, [`Error::Memory`].
    pub fn read(bytes: &[u8], id: DeviceKeyId) -> Result<Self, Error> {
        if bytes.len() != KEY {
            return Err(Error::WrongDeviceKey);
        }
        let read = Self::of(LockedBytes::copied_from(bytes)?);
        match bool::from(read.id.0.ct_eq(&id.0)) {
            true => Ok(read),
            false => Err(Error::WrongDeviceKey),
        }
    }

    fn of(key: LockedBytes) -> Self {
        let mut id = [0; ID];
        derive(ID_CONTEXT, &[key.expose()], &mut id);
        scrub_stack();
        Self { key, id: DeviceKeyId(id) }
    }

    /// Which one it is.
    #[must_use]
    pub fn id(&self) -> DeviceKeyId {
        self.id
    }

    /// Its bytes, to be stored in a keyring and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.key.expose()
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey(…)")
    }
}

impl KdfInput {
    /// The same, for a slot that is bound to that device key. Only a password's slot can be.
    #[must_use]
    pub fn bound_to(mut self, device: &DeviceKey) -> Self {
        debug_assert_eq!(self.kind(), crate::SlotKind::Password, "a recovery code opens without a device");
        self.device = Some(device.id);
        self
    }
}

impl Kek {
    /// The key of the slot that is bound to that device key, out of the one that was derived from its password. Light:
    /// one hash.
    ///
    /// # Errors
    /// [`Error::WrongDeviceKey`] if the slot is bound to another one, or to none; [`Error::Memory`].
    pub fn with_device(self, device: &DeviceKey) -> Result<Self, Error> {
        if self.device != Some(device.id) || self.mixed {
            return Err(Error::WrongDeviceKey);
        }
        let mut key = LockedBytes::zeroed(KEY)?;
        derive(KEK_CONTEXT, &[self.key.expose(), device.expose()], key.expose_mut());
        scrub_stack();
        Ok(Self { key, mixed: true, slot: self.slot, device: self.device })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kdf::{self, KdfParams};
    use crate::{SlotKind, slot};

    fn bound(device: &DeviceKey) -> (KdfInput, Kek) {
        let input = slot::new_input(SlotKind::Password, KdfParams::FLOOR).unwrap().bound_to(device);
        let kek = kdf::derive(&input, &LockedBytes::copied_from(b"a password").unwrap()).unwrap();
        (input, kek)
    }

    #[test]
    fn both_halves_make_the_key_as_the_page_says() {
        let device = DeviceKey::random().unwrap();
        let (_, kek) = bound(&device);
        let both = [kek.expose(), device.expose()].concat();
        let mixed = kek.with_device(&device).unwrap();
        assert_eq!(mixed.expose(), blake3::derive_key("glassdome v1 device kek", &both));
        let id = blake3::derive_key("glassdome v1 device key id", device.expose());
        assert_eq!(device.id().as_bytes()[..], id[..16]);
        assert!(matches!(mixed.with_device(&device), Err(Error::WrongDeviceKey)), "it is mixed in once");
    }

    #[test]
    fn another_device_key_is_told_before_anything_is_tried() {
        let (device, other) = (DeviceKey::random().unwrap(), DeviceKey::random().unwrap());
        assert_ne!(device.id(), other.id());
        assert!(matches!(bound(&device).1.with_device(&other), Err(Error::WrongDeviceKey)));
        let read = |bytes: &[u8]| DeviceKey::read(bytes, device.id());
        assert_eq!(read(device.expose()).unwrap().expose(), device.expose());
        for wrong in [other.expose(), &device.expose()[1..], &[], &[device.expose(), &[0]].concat()] {
            assert!(matches!(read(wrong), Err(Error::WrongDeviceKey)));
        }
        let input = slot::new_input(SlotKind::Password, KdfParams::FLOOR).unwrap();
        let plain = kdf::derive(&input, &LockedBytes::copied_from(b"a password").unwrap()).unwrap();
        assert!(matches!(plain.with_device(&device), Err(Error::WrongDeviceKey)), "it is bound to none");
        assert_eq!(format!("{device:?}"), "DeviceKey(…)");
    }
}
