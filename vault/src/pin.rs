//! The approval PIN, as far as a vault keeps it: something to compare with, and nothing to guess from.
//!
//! A PIN has too few bits for any hash to hide it from whoever can try hashes. So what is kept is keyed:
//! BLAKE3 in its key derivation mode over a sub-key of the master key, a random salt, and the PIN. Without
//! the master key there is nothing to compare a guess with, in whatever way the verifier got out: of the
//! heap, where it lies while a session is open, or of a setting that was opened elsewhere. With the master key
//! nobody needs a PIN. That is why it takes no slow hash, and can be compared on the thread that serves.

use glassdome_lockmem::LockedBytes;
use subtle::ConstantTimeEq;

use crate::draft::Draft;
use crate::keys::Keys;
use crate::seal::derive;
use crate::state::State;
use crate::traceless::traceless_cipher;
use crate::vault::Vault;
use crate::{Error, setting};

/// The setting that holds what the PIN is compared under, 32 bytes, where that is not the `settings` sub-key: a PIN
/// that was made before a rotation is compared under the former one.
pub(crate) const KEY_SETTING: &str = "approval-pin-key";

/// What the tag is derived for.
const CONTEXT: &str = "glassdome v1 approval pin";
/// Length of the salt, in bytes.
const SALT: usize = 16;
/// Length of the tag, in bytes.
const TAG: usize = 32;

/// What a PIN is compared with.
#[derive(Clone, PartialEq, Eq)]
pub struct PinVerifier {
    salt: [u8; SALT],
    tag: [u8; TAG],
}

impl PinVerifier {
    /// The setting that holds its [`PinVerifier::bytes`].
    pub const SETTING: &str = "approval-pin";
    /// Bytes of [`PinVerifier::bytes`].
    pub const LEN: usize = SALT + TAG;

    /// For a new PIN.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn new(keys: &Keys, pin: &[u8]) -> Result<Self, Error> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt)?;
        Ok(Self { salt, tag: tag(keys.settings(), &salt, pin) })
    }

    /// Whether `pin` is that one, which was made under the `settings` sub-key `key`; in constant time.
    fn matches(&self, key: &[u8], pin: &[u8]) -> bool {
        tag(key, &self.salt, pin).ct_eq(&self.tag).into()
    }

    /// As it is sealed: salt, tag.
    #[must_use]
    pub fn bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..SALT].copy_from_slice(&self.salt);
        bytes[SALT..].copy_from_slice(&self.tag);
        bytes
    }

    /// From what was sealed; `None` of anything else.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (salt, tag) = bytes.split_first_chunk()?;
        Some(Self { salt: *salt, tag: tag.try_into().ok()? })
    }
}

impl std::fmt::Debug for PinVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinVerifier(…)")
    }
}

impl Vault {
    /// Whether `pin` is that one; compared in constant time.
    ///
    /// # Errors
    /// As [`Vault::setting`]; [`Error::Memory`].
    pub fn is_pin(&self, keys: &Keys, verifier: &PinVerifier, pin: &[u8]) -> Result<bool, Error> {
        let vault = self.id();
        self.store().read(|reader| {
            State::read(&vault, keys, reader)?.0.check_control(keys, reader)?;
            let former = setting::read_locked(&vault, keys, KEY_SETTING, reader)?;
            Ok(verifier.matches(former.as_ref().map_or(keys.settings(), LockedBytes::expose), pin))
        })
    }
}

impl Draft<'_> {
    /// Seals another approval PIN, made for these keys, or none.
    ///
    /// # Errors
    /// As [`Draft::setting`].
    pub fn set_pin(&mut self, verifier: Option<&PinVerifier>) -> Result<(), Error> {
        let bytes = verifier.map(PinVerifier::bytes);
        self.setting(PinVerifier::SETTING, bytes.as_ref().map(<[u8; _]>::as_slice))?;
        self.setting(KEY_SETTING, None)
    }
}

fn tag(key: &[u8], salt: &[u8; SALT], pin: &[u8]) -> [u8; TAG] {
    // Key and salt have one length each: no PIN can be told as another's end of them.
    traceless_cipher(|| {
        let mut tag = [0; TAG];
        derive(CONTEXT, &[key, salt, pin], &mut tag);
        tag
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KEY;

    fn keys(byte: u8) -> Keys {
        let fill = |master: &mut [u8]| {
            master.fill(byte);
            Ok(())
        };
        Keys::from_master(crate::SlotKind::Password, fill).unwrap()
    }

    #[test]
    fn only_the_pin_matches_and_only_under_its_key() {
        let (own, other) = (keys(1), keys(2));
        let verifier = PinVerifier::new(&own, b"402913").unwrap();
        assert!(verifier.matches(own.settings(), b"402913"));
        for wrong in [&b"402914"[..], b"40291", b"4029130", b""] {
            assert!(!verifier.matches(own.settings(), wrong), "{wrong:?}");
        }
        assert!(
            !verifier.matches(other.settings(), b"402913"),
            "there is nothing to guess from without the key"
        );
    }

    #[test]
    fn a_file_that_is_opened_anew_meanwhile_does_not_end_a_comparison() {
        let directory = tempfile::tempdir().unwrap();
        let input = Vault::new_kdf_input(crate::SlotKind::Password, crate::kdf::KdfParams::FLOOR).unwrap();
        let password = LockedBytes::copied_from(b"a password").unwrap();
        let kek = crate::kdf::derive(&input, &password).unwrap();
        let (vault, keys) = Vault::create(&directory.path().join("vault"), &input, &kek, 0).unwrap();
        let verifier = PinVerifier::new(&keys, b"402913").unwrap();
        let mut draft = vault.draft(&keys).unwrap();
        for number in 0..60 {
            let large = crate::Edit { value: Some(&[7; 40_000]), ..Default::default() };
            draft.set(&format!("s{number}"), large, 0).unwrap();
            // A table of one page lies in each snapshot.
            draft.setting(&format!("s{number}"), Some(&[7; 1000])).unwrap();
        }
        vault.commit(draft.finish().unwrap()).unwrap();
        for (pin, is_it) in [(&b"402913"[..], true), (b"402914", false)] {
            vault.store().close_under_reader();
            let reader = vault.store().reader().unwrap();
            let read = State::read(&vault.id(), &keys, &reader);
            assert!(matches!(read, Err(Error::OpenedAnew)), "control: {:?}", read.map(drop));
            drop((read, reader));
            vault.store().close_under_reader();
            assert_eq!(vault.is_pin(&keys, &verifier, pin).unwrap(), is_it);
        }
    }

    #[test]
    fn each_is_salted_and_comes_back_from_its_bytes() {
        let keys = keys(1);
        let [one, two] = [(); 2].map(|()| PinVerifier::new(&keys, b"402913").unwrap());
        assert_ne!(one.bytes(), two.bytes());
        assert_eq!(PinVerifier::parse(&one.bytes()), Some(one.clone()));
        for bad in [&one.bytes()[1..], &[&one.bytes()[..], b"x"].concat(), b""] {
            assert_eq!(PinVerifier::parse(bad), None);
        }
        assert_eq!(format!("{one:?}"), "PinVerifier(…)");
    }

    #[test]
    fn the_tag_is_what_the_page_says() {
        let keys = keys(1);
        let verifier = PinVerifier::new(&keys, b"402913").unwrap();
        let (salt, tag) = (&verifier.bytes()[..SALT], &verifier.bytes()[SALT..]);
        let settings = blake3::derive_key("glassdome v1 settings", &[1; KEY]);
        let material = [&settings[..], salt, b"402913"].concat();
        assert_eq!(tag, blake3::derive_key(CONTEXT, &material));
    }
}
