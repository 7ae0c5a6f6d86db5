//! What a name may be, checked here too, so that no caller can store one that cannot be asked for.

use unicode_normalization::is_nfc;

use crate::Error;
use crate::keys::Keys;
use crate::traceless::traceless_hash;

/// The longest name of a secret, in bytes of UTF-8.
pub const MAX_NAME: usize = 512;
/// The longest name of a field, in bytes of UTF-8.
pub const MAX_FIELD_NAME: usize = 128;

/// A secret's name: 1 to [`MAX_NAME`] bytes, NFC, no control characters.
pub(crate) fn check(name: &str) -> Result<(), Error> {
    check_up_to(name, MAX_NAME)
}

/// A field's name: 1 to [`MAX_FIELD_NAME`] bytes, NFC, no control characters.
pub(crate) fn check_field(name: &str) -> Result<(), Error> {
    check_up_to(name, MAX_FIELD_NAME)
}

/// The key of a name in the index: 16 bytes of its keyed hash, so that the file shows no names.
pub(crate) fn key(keys: &Keys, name: &str) -> Vec<u8> {
    traceless_hash(|| hash(keys, name))
}

fn hash(keys: &Keys, name: &str) -> Vec<u8> {
    blake3::keyed_hash(keys.names(), name.as_bytes()).as_bytes()[..16].to_vec()
}

fn check_up_to(name: &str, longest: usize) -> Result<(), Error> {
    // The length comes first: it bounds the cost of the rest.
    if name.is_empty() || name.len() > longest || name.chars().any(char::is_control) || !is_nfc(name) {
        return Err(Error::Name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traceless::HASH;
    use crate::traceless::tests::assert_shallow;

    #[test]
    fn a_name_is_hashed_in_little_stack() {
        let keys = Keys::random().unwrap();
        let name = "x".repeat(MAX_NAME);
        assert_shallow("the hash of a name", HASH, || drop(hash(&keys, &name)));
    }

    #[test]
    fn names_of_any_script_pass_in_normal_form_only() {
        for name in ["a", "work/db", "naïve", "пароль", "密码", "🔑", &"x".repeat(MAX_NAME)] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "nai\u{308}ve", "a\nb", "a\0", "\u{85}", &"x".repeat(MAX_NAME + 1)] {
            assert!(matches!(check(name), Err(Error::Name)), "{name:?}");
        }
        assert!(check_field(&"x".repeat(MAX_FIELD_NAME)).is_ok());
        assert!(matches!(check_field(&"x".repeat(MAX_FIELD_NAME + 1)), Err(Error::Name)));
    }
}
