//! From a password to the key that opens a slot: Argon2id version 1.3 (RFC 9106).
//!
//! Slow on purpose, and without any key of the vault, so that it can run on a thread that never sees one.

use std::fmt;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use glassdome_lockmem::{LockedBytes, Scratch, scrub_stack};

use crate::Error;
use crate::device::DeviceKeyId;
use crate::slot::SlotKind;

/// The least memory, in KiB: 64 MiB.
pub const MIN_M_KIB: u32 = 64 * 1024;
/// The most memory, in KiB: 4 GiB.
pub const MAX_M_KIB: u32 = 4 * 1024 * 1024;
/// The fewest passes.
pub const MIN_T: u32 = 3;
/// The most passes.
pub const MAX_T: u32 = 64;
/// The most lanes.
pub const MAX_P: u32 = 64;

/// Length of a new salt, in bytes (RFC 9106, section 3.1).
const SALT: usize = 16;
/// The longest salt that a slot may have, in bytes.
const MAX_SALT: usize = 32;
/// How long a derivation should take.
const TARGET: Duration = Duration::from_millis(500);
/// The most memory that calibration asks for, in KiB: beyond it, passes. A small machine must be able to
/// open the vault too.
const CALIBRATED_M_KIB: u32 = 256 * 1024;

/// Argon2id's cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfParams {
    m_kib: u32,
    t: u32,
    p: u32,
}

impl KdfParams {
    /// The least that a vault may have: 64 MiB, 3 passes, 1 lane.
    pub const FLOOR: Self = Self { m_kib: MIN_M_KIB, t: MIN_T, p: 1 };

    /// Memory in KiB, passes and lanes.
    ///
    /// # Errors
    /// [`Error::WeakenedKdf`] outside the bounds of this module.
    pub const fn new(m_kib: u32, t: u32, p: u32) -> Result<Self, Error> {
        let bounded = m_kib >= MIN_M_KIB && m_kib <= MAX_M_KIB;
        if bounded && t >= MIN_T && t <= MAX_T && p >= 1 && p <= MAX_P {
            Ok(Self { m_kib, t, p })
        } else {
            Err(Error::WeakenedKdf)
        }
    }

    /// Memory, in KiB.
    #[must_use]
    pub const fn m_kib(self) -> u32 {
        self.m_kib
    }

    /// Passes over the memory.
    #[must_use]
    pub const fn t(self) -> u32 {
        self.t
    }

    /// What it takes in all: KiB that are gone over, in all passes.
    pub(crate) fn work(self) -> u64 {
        u64::from(self.m_kib) * u64::from(self.t)
    }

    /// Lanes, computed in parallel.
    #[must_use]
    pub const fn p(self) -> u32 {
        self.p
    }
}

/// Which slot's key to derive, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KdfInput {
    slot: u8,
    kind: SlotKind,
    params: KdfParams,
    salt: Vec<u8>,
    pub(crate) device: Option<DeviceKeyId>,
}

impl KdfInput {
    /// An input with a new random salt.
    pub(crate) fn fresh(slot: u8, kind: SlotKind, params: KdfParams) -> Result<Self, Error> {
        let mut salt = vec![0; SALT];
        getrandom::fill(&mut salt)?;
        Ok(Self { slot, kind, params, salt, device: None })
    }

    /// An input as a slot has it.
    pub(crate) fn read(
        slot: u8,
        kind: SlotKind,
        params: KdfParams,
        salt: &[u8],
        device: Option<DeviceKeyId>,
    ) -> Result<Self, Error> {
        if (SALT..=MAX_SALT).contains(&salt.len()) {
            Ok(Self { slot, kind, params, salt: salt.to_vec(), device })
        } else {
            Err(Error::WeakenedKdf)
        }
    }

    /// The cost.
    #[must_use]
    pub fn params(&self) -> KdfParams {
        self.params
    }

    /// What opens the slot.
    #[must_use]
    pub fn kind(&self) -> SlotKind {
        self.kind
    }

    /// The device key that the slot is bound to; `None` if what is typed opens it alone.
    #[must_use]
    pub fn device(&self) -> Option<DeviceKeyId> {
        self.device
    }

    pub(crate) fn slot(&self) -> u8 {
        self.slot
    }

    pub(crate) fn salt(&self) -> &[u8] {
        &self.salt
    }
}

/// The key-encryption key of one slot, in locked memory.
pub struct Kek {
    pub(crate) slot: u8,
    pub(crate) key: LockedBytes,
    /// What the slot is bound to, and whether that is mixed in.
    pub(crate) device: Option<DeviceKeyId>,
    pub(crate) mixed: bool,
}

impl Kek {
    pub(crate) fn slot(&self) -> u8 {
        self.slot
    }

    /// Whether it is the key of a slot with that input. One that is bound takes both the password and the device key.
    ///
    /// # Errors
    /// [`Error::NoDeviceKey`] if the device key is still to be mixed in, [`Error::WrongDeviceKey`] if it is another one.
    pub(crate) fn check(&self, input: &KdfInput) -> Result<(), Error> {
        match self.device == input.device {
            false => Err(Error::WrongDeviceKey),
            true if self.mixed != self.device.is_some() => Err(Error::NoDeviceKey),
            true => Ok(()),
        }
    }

    /// Another key for the same slot.
    pub(crate) fn with_key(&self, key: LockedBytes) -> Self {
        Self { slot: self.slot, key, device: self.device, mixed: self.mixed }
    }

    /// The key, for wrapping and unwrapping only.
    pub(crate) fn expose(&self) -> &[u8] {
        self.key.expose()
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kek(…)")
    }
}

/// Derives the slot's key from the password, or the recovery code as it is written without groups. Takes the time and
/// the memory that the parameters say. Where the slot is bound to a device key, [`Kek::with_device`] is the other half.
///
/// # Errors
/// [`Error::Memory`] if there is not that much memory, [`Error::Kdf`] if Argon2 refuses its input.
pub fn derive(input: &KdfInput, password: &LockedBytes) -> Result<Kek, Error> {
    let mut key = LockedBytes::zeroed(crate::keys::KEY)?;
    let result = argon2id(input.params, &input.salt, password.expose(), key.expose_mut());
    scrub_stack();
    result?;
    Ok(Kek { slot: input.slot, key, device: input.device, mixed: false })
}

/// Parameters that take about half a second on this machine, and never less than the floor.
///
/// Takes about as long. Memory is raised first, up to 256 MiB, then passes.
///
/// # Errors
/// As [`derive()`].
pub fn calibrate() -> Result<KdfParams, Error> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let p = u32::try_from(cores.min(4)).expect("at most 4");
    let probe = KdfParams::new(MIN_M_KIB, MIN_T, p)?;
    let started = Instant::now();
    argon2id(probe, &[0; SALT], &[], &mut [0; crate::keys::KEY])?;
    Ok(scaled(started.elapsed(), p))
}

/// The parameters that reach [`TARGET`] if the floor took `floor`.
fn scaled(floor: Duration, p: u32) -> KdfParams {
    let factor = TARGET.as_secs_f64() / floor.as_secs_f64().max(1e-3);
    let most = f64::from(CALIBRATED_M_KIB / MIN_M_KIB);
    let memory = factor.clamp(1.0, most);
    let passes = (factor / memory).max(1.0);
    // Whole MiB and whole passes; both products are small and positive.
    let m_kib = (memory * f64::from(MIN_M_KIB / 1024)) as u32 * 1024;
    let t = ((passes * f64::from(MIN_T)).round() as u32).min(MAX_T);
    KdfParams::new(m_kib, t, p).expect("both are at least the floor's and within bounds")
}

// Not inlined, so that the caller can scrub the stack it used.
#[inline(never)]
fn argon2id(params: KdfParams, salt: &[u8], password: &[u8], out: &mut [u8]) -> Result<(), Error> {
    let params = Params::new(params.m_kib, params.t, params.p, Some(out.len())).map_err(Error::Kdf)?;
    let mut blocks = Scratch::<Block>::new(params.block_count())?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, out, blocks.as_mut_slice())
        .map_err(Error::Kdf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept_on_both_sides() {
        for (m, t, p) in [(MIN_M_KIB, 3, 1), (MAX_M_KIB, 64, 64)] {
            assert!(KdfParams::new(m, t, p).is_ok());
        }
        for (m, t, p) in [
            (MIN_M_KIB - 1, 3, 1),
            (MIN_M_KIB, 2, 1),
            (MIN_M_KIB, 3, 0),
            (MAX_M_KIB + 1, 3, 1),
            (MIN_M_KIB, 65, 1),
            (MIN_M_KIB, 3, 65),
        ] {
            assert!(matches!(KdfParams::new(m, t, p), Err(Error::WeakenedKdf)), "{m} {t} {p}");
        }
        for salt in [15, 33] {
            let read = KdfInput::read(0, SlotKind::Password, KdfParams::FLOOR, &vec![0; salt], None);
            assert!(matches!(read, Err(Error::WeakenedKdf)));
        }
    }

    #[test]
    fn scaling_meets_the_target_and_the_floor() {
        let slow = scaled(Duration::from_secs(5), 2);
        assert_eq!((slow.m_kib(), slow.t(), slow.p()), (MIN_M_KIB, 3, 2));
        let ordinary = scaled(Duration::from_millis(250), 4);
        assert_eq!((ordinary.m_kib(), ordinary.t()), (128 * 1024, 3));
        let fast = scaled(Duration::from_millis(50), 4);
        assert_eq!((fast.m_kib(), fast.t()), (256 * 1024, 8));
        assert_eq!(scaled(Duration::ZERO, 1).t(), MAX_T);
    }

    // Made with another implementation: OpenSSL's Argon2id, through Python's `cryptography`.
    #[test]
    fn agrees_with_the_reference_implementation() {
        let salt = b"0123456789abcdef";
        let input = KdfInput::read(0, SlotKind::Password, KdfParams::FLOOR, salt, None).unwrap();
        let kek = derive(&input, &LockedBytes::copied_from(b"correct horse").unwrap()).unwrap();
        let hex: String = kek.expose().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "92599c67f23f1d9dce9b6f0cfb5a9b18ce110336de00799947472465edd9e49a");
    }
}
