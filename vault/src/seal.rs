//! Sealing: an AEAD that commits to its key.
//!
//! ChaCha20-Poly1305 alone does not commit: one ciphertext can be built to open under two keys (Len,
//! Grubbs, Ristenpart: *Partitioning Oracle Attacks*, USENIX Security 2021). So each sealed row gets a key
//! of its own together with a commitment, and the commitment is compared before anything is decrypted.

use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use blake3::{CHUNK_LEN, Hasher};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Key, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing, optimization_barrier};

use crate::Error;
use crate::aad::Place;
use crate::traceless::traceless_cipher;

/// Length of the nonce, in bytes.
pub(crate) const NONCE: usize = 24;
/// Length of the commitment, in bytes.
pub(crate) const COMMITMENT: usize = 32;
/// Length of the tag, in bytes.
pub(crate) const TAG: usize = 16;
/// What sealing adds to a plaintext, in bytes.
pub(crate) const OVERHEAD: usize = NONCE + COMMITMENT + TAG;

/// BLAKE3 context of the key and commitment of one sealed row.
const CONTEXT: &str = "glassdome v1 record";
/// What BLAKE3 makes of [`CONTEXT`], which is the same for each row and no secret.
static CONTEXT_KEY: LazyLock<ContextKey> = LazyLock::new(|| hash_derive_key_context(CONTEXT));

/// Why a sealed row did not open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Made with another key, or altered in nonce or commitment.
    Commitment,
    /// Altered in ciphertext or tag, or not at its place.
    Tag,
}

/// Appends `nonce ‖ commitment ‖ ciphertext ‖ tag` to `row`. `fill` writes the plaintext, `length` bytes,
/// where the ciphertext will stand, so no copy of it is left.
pub(crate) fn seal_onto(
    row: &mut Vec<u8>,
    key: &[u8],
    place: &Place<'_>,
    length: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce)?;
    seal_onto_with(row, key, &nonce, place, length, fill)
}

/// [`seal_onto`] with a given nonce, which must never be used for two things: one that is derived from all that is sealed
/// and where, under a key of its own, is the same for the same and for nothing else.
pub(crate) fn seal_onto_with(
    row: &mut Vec<u8>,
    key: &[u8],
    nonce: &[u8; NONCE],
    place: &Place<'_>,
    length: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let sealed = traceless_cipher(|| seal(key, nonce, place, length, fill))?;
    if row.is_empty() {
        *row = sealed;
    } else {
        row.extend_from_slice(&sealed);
    }
    Ok(())
}

/// `nonce ‖ commitment ‖ ciphertext ‖ tag`.
fn seal(
    key: &[u8],
    nonce: &[u8; NONCE],
    place: &Place<'_>,
    length: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<(), Error>,
) -> Result<Vec<u8>, Error> {
    let derived = Derived::new(key, nonce);
    let mut sealed = Zeroizing::new(vec![0; OVERHEAD + length]);
    let (head, body) = sealed.split_at_mut(NONCE + COMMITMENT);
    let (text, tag) = body.split_at_mut(length);
    head[..NONCE].copy_from_slice(nonce);
    head[NONCE..].copy_from_slice(derived.commitment());
    fill(text)?;
    let made = derived
        .cipher()
        .encrypt_inout_detached(&XNonce::from(*nonce), &place.bytes(), text.into())
        .map_err(|_| Error::TooLarge)?;
    tag.copy_from_slice(&made);
    Ok(std::mem::take(&mut *sealed))
}

/// The length of the plaintext in `sealed`, if it is long enough to be sealed at all.
pub(crate) fn plain_length(sealed: &[u8]) -> Option<usize> {
    sealed.len().checked_sub(OVERHEAD)
}

/// Opens `sealed` into `out`, which must be [`plain_length`] long and holds nothing of the plaintext unless
/// the tag was right.
pub(crate) fn open_into(key: &[u8], place: &Place<'_>, sealed: &[u8], out: &mut [u8]) -> Result<(), Refusal> {
    traceless_cipher(|| open(key, place, sealed, out))
}

fn open(key: &[u8], place: &Place<'_>, sealed: &[u8], out: &mut [u8]) -> Result<(), Refusal> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(Refusal::Commitment)?;
    let (commitment, body) = rest.split_first_chunk::<COMMITMENT>().ok_or(Refusal::Commitment)?;
    let (text, tag) = body.split_last_chunk::<TAG>().ok_or(Refusal::Tag)?;
    let derived = Derived::new(key, nonce);
    if !bool::from(derived.commitment().ct_eq(commitment.as_slice())) {
        return Err(Refusal::Commitment);
    }
    if out.len() != text.len() {
        return Err(Refusal::Tag);
    }
    out.copy_from_slice(text);
    derived
        .cipher()
        .decrypt_inout_detached(&XNonce::from(*nonce), &place.bytes(), out.into(), &Tag::from(*tag))
        .map_err(|_| Refusal::Tag)
}

/// Encryption key and commitment of one row.
struct Derived(Zeroizing<[u8; 64]>);

impl Derived {
    fn new(key: &[u8], nonce: &[u8; NONCE]) -> Self {
        let mut both = Zeroizing::new([0; 64]);
        derive_from(&CONTEXT_KEY, &[key, nonce], &mut both[..]);
        Self(both)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let key: &[u8; 32] = self.0.first_chunk().expect("64 bytes hold 32");
        XChaCha20Poly1305::new(<&Key>::from(key))
    }

    fn commitment(&self) -> &[u8] {
        &self.0[32..]
    }
}

/// BLAKE3's `derive_key` over the parts, as many bytes as `out` holds, leaving nothing behind.
// Not inlined, so that the caller can scrub the stack it used.
#[inline(never)]
pub(crate) fn derive(context: &str, parts: &[&[u8]], out: &mut [u8]) {
    derive_from(&hash_derive_key_context(context), parts, out);
}

#[inline(never)]
fn derive_from(context: &ContextKey, parts: &[&[u8]], out: &mut [u8]) {
    let mut hasher = Hasher::new_from_context_key(context);
    for part in parts {
        hasher.update(part);
    }
    let mut reader = hasher.finalize_xof();
    reader.fill(out);
    reader.zeroize();
    wipe(&mut hasher);
}

/// Wipes what went through a hash function. Its own way is byte by byte, through its room for 55 chaining values too:
/// half a microsecond, for what there is nothing in until more than a chunk was hashed.
fn wipe(hasher: &mut Hasher) {
    if hasher.count() > CHUNK_LEN as u64 {
        hasher.zeroize();
    } else {
        hasher.reset();
        optimization_barrier(hasher);
    }
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
