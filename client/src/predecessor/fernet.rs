//! Opens the tokens that the predecessor sealed its secrets in: Fernet, as Python's `cryptography` makes them
//! ([specification](https://github.com/fernet/spec/blob/master/Spec.md)).
//!
//! ```text
//! token, in base64url:  80 │ time, 8 B │ IV, 16 B │ AES-128-CBC, PKCS #7 │ HMAC-SHA256 of all before it, 32 B
//! key, in base64url:    signing key, 16 B │ encryption key, 16 B
//! ```

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const VERSION: u8 = 0x80;
/// Version and time.
const HEAD: usize = 9;
const IV: usize = 16;
const TAG: usize = 32;
/// What AES seals at once.
const BLOCK: usize = 16;

/// Why a token stays shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shut {
    /// Empty, cut, or something else altogether.
    NoToken,
    /// Sealed with another key, or changed since.
    OtherKey,
}

/// The key of all tokens; wiped when dropped.
pub(crate) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// As it is written; `None` if it is none.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let bytes = decode(&URL_SAFE, text.trim_ascii())?;
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return None;
        }
        key.copy_from_slice(&bytes);
        Some(Self(key))
    }

    /// As the keyring holds it: in base64 once more.
    pub(crate) fn parse_wrapped(text: &[u8]) -> Option<Self> {
        Self::parse(&decode(&STANDARD, text.trim_ascii())?)
    }

    /// What is in a token that the predecessor wrote, in base64 once more.
    ///
    /// # Errors
    /// [`Shut`].
    pub(crate) fn open_wrapped(&self, token: &[u8]) -> Result<Zeroizing<Vec<u8>>, Shut> {
        let token =
            decode(&STANDARD, token).and_then(|token| decode(&URL_SAFE, &token)).ok_or(Shut::NoToken)?;
        let (signed, tag) = token.split_at_checked(token.len().saturating_sub(TAG)).ok_or(Shut::NoToken)?;
        let (iv, sealed) =
            signed.get(HEAD..).and_then(|rest| rest.split_at_checked(IV)).ok_or(Shut::NoToken)?;
        if signed[0] != VERSION || sealed.is_empty() || !sealed.len().is_multiple_of(BLOCK) {
            return Err(Shut::NoToken);
        }
        let (signing, encryption) = self.0.split_at(16);
        let mac = Hmac::<Sha256>::new_from_slice(signing).map_err(|_| Shut::OtherKey)?.chain_update(signed);
        // In constant time.
        mac.verify_slice(tag).map_err(|_| Shut::OtherKey)?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let cipher = cbc::Decryptor::<Aes128>::new_from_slices(encryption, iv).map_err(|_| Shut::NoToken)?;
        let len = cipher.decrypt_padded::<Pkcs7>(&mut buffer).map_err(|_| Shut::NoToken)?.len();
        buffer.truncate(len);
        Ok(buffer)
    }
}

fn decode(alphabet: &impl Engine, text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let len = alphabet.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(len);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the specification: `verify.json`.
    const SECRET: &[u8] = b"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const TOKEN: &[u8] =
        b"gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

    fn wrapped(bytes: &[u8]) -> Vec<u8> {
        STANDARD.encode(bytes).into_bytes()
    }

    #[test]
    fn the_token_of_the_specification_is_opened() {
        let key = Key::parse(SECRET).unwrap();
        assert_eq!(key.open_wrapped(&wrapped(TOKEN)).unwrap().as_slice(), b"hello");
        let key = Key::parse_wrapped(&wrapped(SECRET)).unwrap();
        assert_eq!(key.open_wrapped(&wrapped(TOKEN)).unwrap().as_slice(), b"hello");
    }

    #[test]
    fn what_was_changed_and_what_is_no_token_stays_shut() {
        let key = Key::parse(SECRET).unwrap();
        let bytes = URL_SAFE.decode(TOKEN).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = URL_SAFE.encode(&changed).into_bytes();
            let expected = if at == 0 { Shut::NoToken } else { Shut::OtherKey };
            assert_eq!(key.open_wrapped(&wrapped(&changed)), Err(expected), "byte {at}");
        }
        for len in 0..bytes.len() {
            let cut = URL_SAFE.encode(&bytes[..len]).into_bytes();
            let whole_blocks = len > HEAD + IV + TAG && (len - HEAD - IV - TAG).is_multiple_of(BLOCK);
            let expected = if whole_blocks { Shut::OtherKey } else { Shut::NoToken };
            assert_eq!(key.open_wrapped(&wrapped(&cut)), Err(expected), "{len} bytes");
        }
        assert_eq!(key.open_wrapped(TOKEN), Err(Shut::NoToken), "not in base64 once more");
        let other = Key::parse(&URL_SAFE.encode([7; 32]).into_bytes()).unwrap();
        assert_eq!(other.open_wrapped(&wrapped(TOKEN)), Err(Shut::OtherKey));
        for text in [&b""[..], b"short", &URL_SAFE.encode([7; 31]).into_bytes(), &[0xff; 44]] {
            assert!(Key::parse(text).is_none());
        }
    }
}
