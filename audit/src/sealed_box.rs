//! libsodium's sealed box: what anybody can close for the owner of a public key, and only that
//! owner can open. Any program that knows libsodium (PyNaCl's `SealedBox`, say) opens ours.
//!
//! `ephemeral public key (32) ‖ Poly1305 tag (16) ‖ XSalsa20 ciphertext`, with the key
//! HSalsa20(X25519(ephemeral, public)) and the nonce BLAKE2b-192(ephemeral public key ‖ public key):
//! <https://doc.libsodium.org/public-key_cryptography/sealed_boxes>,
//! <https://nacl.cr.yp.to/box.html>, RFC 7748 (X25519).

use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::{U10, U24};
use curve25519_dalek::MontgomeryPoint;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use salsa20::{XSalsa20, hsalsa};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a box around a key of 32 bytes.
pub const SEALED: usize = 32 + 16 + 32;

/// The box was not closed for this key, or is damaged; or the public key is one of the few that
/// have no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed to another key, or damaged")]
pub struct NotOurs;

/// The public key of `secret`.
pub fn public(secret: &[u8; 32]) -> [u8; 32] {
    MontgomeryPoint::mul_base_clamped(*secret).0
}

/// Closes `key` for the owner of `public`. `ephemeral` are random bytes, used for this box alone.
///
/// # Errors
/// [`NotOurs`] when `public` is of low order: everybody could open the box.
pub fn seal(public_key: &[u8; 32], key: &[u8; 32], ephemeral: &[u8; 32]) -> Result<[u8; SEALED], NotOurs> {
    let mut sealed = [0; SEALED];
    let (to, body) = sealed.split_at_mut(32);
    to.copy_from_slice(&public(ephemeral));
    let mut cipher = cipher(ephemeral, public_key, to, public_key)?;
    let (tag, text) = body.split_at_mut(16);
    text.copy_from_slice(key);
    let authenticator = authenticator(&mut cipher);
    cipher.apply_keystream(text);
    tag.copy_from_slice(&authenticator.compute_unpadded(text));
    Ok(sealed)
}

/// Opens a box with `secret`.
///
/// # Errors
/// [`NotOurs`].
pub fn open(secret: &[u8; 32], sealed: &[u8; SEALED]) -> Result<Zeroizing<[u8; 32]>, NotOurs> {
    let (ephemeral, body) = sealed.split_at(32);
    let (tag, text) = body.split_at(16);
    let their: &[u8; 32] = ephemeral.try_into().expect("it was split there");
    let mut cipher = cipher(secret, their, ephemeral, &public(secret))?;
    let right = authenticator(&mut cipher).compute_unpadded(text);
    if !bool::from(right.as_slice().ct_eq(tag)) {
        return Err(NotOurs);
    }
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(text);
    cipher.apply_keystream(key.as_mut_slice());
    Ok(key)
}

fn cipher(
    secret: &[u8; 32],
    theirs: &[u8; 32],
    ephemeral: &[u8],
    public_key: &[u8],
) -> Result<XSalsa20, NotOurs> {
    let mut point = MontgomeryPoint(*theirs).mul_clamped(*secret);
    if bool::from(point.0.ct_eq(&[0; 32])) {
        return Err(NotOurs);
    }
    let nonce = Blake2b::<U24>::new().chain_update(ephemeral).chain_update(public_key).finalize();
    let mut shared = hsalsa::<U10>((&point.0).into(), &[0; 16].into());
    point.zeroize();
    let cipher = XSalsa20::new(&shared, &nonce);
    shared.as_mut_slice().zeroize();
    Ok(cipher)
}

/// The first half of the first block of the key stream is Poly1305's key.
fn authenticator(cipher: &mut XSalsa20) -> Poly1305 {
    let mut key = Zeroizing::new([0; 32]);
    cipher.apply_keystream(key.as_mut_slice());
    Poly1305::new((&*key).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting<const N: usize>(from: u8) -> [u8; N] {
        std::array::from_fn(|n| from + n as u8)
    }

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        crate::Hex::parse(hex.as_bytes()).unwrap().0
    }

    #[test]
    fn what_libsodium_sealed_is_opened() {
        // PyNaCl 1.x: SealedBox(PrivateKey(bytes(range(1, 33))).public_key).encrypt(bytes(range(100, 132)))
        let secret = counting(1);
        assert_eq!(
            public(&secret),
            bytes("07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c")
        );
        let sealed = bytes(
            "7b1eb2bc2bc07b857e6ce16c1072399c58cd363b41180cb2418bfe353b3465132e9d3ddf42d670a804b35e3e7e0b1a6a\
             94f92fa9dc798eb0f964cac9e5ccc1ef3251e62c3bb9c1223bd2a0ba9e71eb15",
        );
        assert_eq!(*open(&secret, &sealed).unwrap(), counting(100));
    }

    #[test]
    fn only_the_owner_opens_it_and_only_whole() {
        let (secret, key) = ([3; 32], counting(50));
        let sealed = seal(&public(&secret), &key, &[9; 32]).unwrap();
        assert_eq!(*open(&secret, &sealed).unwrap(), key);
        assert_eq!(open(&[4; 32], &sealed), Err(NotOurs));
        for n in 0..SEALED {
            let mut changed = sealed;
            changed[n] ^= 1;
            assert_eq!(open(&secret, &changed), Err(NotOurs), "{n}");
        }
    }

    #[test]
    fn nothing_is_sealed_to_a_point_that_has_no_owner() {
        let mut one = [0; 32];
        one[0] = 1;
        for public_key in [[0; 32], one] {
            assert_eq!(seal(&public_key, &[5; 32], &[9; 32]), Err(NotOurs));
        }
    }
}
