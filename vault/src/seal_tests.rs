//! A sealed row opens with its key at its place, whole, and in no other case.

use proptest::prelude::*;

use super::*;
use crate::header::VaultId;
use crate::store::Table;
use crate::traceless::CIPHER;
use crate::traceless::tests::assert_shallow;

const VAULT: VaultId = VaultId::from_bytes([5; 16]);
const ID: [u8; 16] = [6; 16];
const PLACE: Place<'static> = Place { vault: &VAULT, table: Table::Values, id: &ID, version: 1 };

fn sealed(key: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut row = Vec::new();
    seal_onto(&mut row, key, &PLACE, plain.len(), |out| {
        out.copy_from_slice(plain);
        Ok(())
    })
    .unwrap();
    row
}

fn open(key: &[u8], place: &Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut out = vec![0; plain_length(sealed).unwrap_or(0)];
    open_into(key, place, sealed, &mut out).map(|()| out)
}

proptest! {
    #[test]
    fn what_was_sealed_opens(key in any::<[u8; 32]>(), plain in any::<Vec<u8>>()) {
        prop_assert_eq!(open(&key, &PLACE, &sealed(&key, &plain)), Ok(plain));
    }

    #[test]
    fn what_is_derived_is_blake3s_derived_key(
        key in prop::collection::vec(any::<u8>(), 0..40),
        rest in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        let mut derived = [0; 32];
        derive(CONTEXT, &[&key, &rest], &mut derived);
        prop_assert_eq!(derived, blake3::derive_key(CONTEXT, &[&key[..], &rest].concat()));
        derive_from(&CONTEXT_KEY, &[&key, &rest], &mut derived);
        prop_assert_eq!(derived, blake3::derive_key(CONTEXT, &[&key[..], &rest].concat()));
    }

    #[test]
    fn any_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(open(&[0; 32], &PLACE, &bytes).is_err());
    }
}

#[test]
fn every_flipped_bit_is_noticed_in_its_part() {
    let whole = sealed(&[1; 32], b"plain");
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut altered = whole.clone();
            altered[at] ^= 1 << bit;
            let part = if at < NONCE + COMMITMENT { Refusal::Commitment } else { Refusal::Tag };
            assert_eq!(open(&[1; 32], &PLACE, &altered), Err(part), "byte {at}, bit {bit}");
        }
    }
    for length in 0..whole.len() {
        assert!(open(&[1; 32], &PLACE, &whole[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn it_opens_at_its_place_only() {
    let whole = sealed(&[1; 32], b"plain");
    assert!(open(&[1; 32], &PLACE, &whole).is_ok());
    let other = VaultId::from_bytes([0; 16]);
    for place in [
        Place { vault: &other, ..PLACE },
        Place { table: Table::History, ..PLACE },
        Place { id: &[7; 16], ..PLACE },
        Place { id: &ID[..15], ..PLACE },
        Place { version: 2, ..PLACE },
    ] {
        assert_eq!(open(&[1; 32], &place, &whole), Err(Refusal::Tag));
    }
    assert_eq!(open(&[2; 32], &PLACE, &whole), Err(Refusal::Commitment));
}

#[test]
fn two_seals_of_the_same_share_nothing() {
    let (one, other) = (sealed(&[1; 32], b"plain"), sealed(&[1; 32], b"plain"));
    assert_ne!(one[..NONCE], other[..NONCE]);
    assert_ne!(one[NONCE..NONCE + COMMITMENT], other[NONCE..NONCE + COMMITMENT]);
}

/// A ciphertext and tag that XChaCha20-Poly1305 accepts under both keys: the second block was solved for
/// modulo 2^130 - 5, so that both Poly1305 sums give one tag (Len, Grubbs, Ristenpart, section 3).
#[test]
fn a_ciphertext_for_two_keys_opens_with_the_committed_one_only() {
    const TEXT: [u8; 32] = *b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \x41\x1a\x53\xe2\xc6\x42\x26\x20\xf2\x57\x9a\x96\xbd\x9a\x18\xe8";
    const BOTH: [u8; TAG] = *b"\xa2\xd8\x1a\x88\x73\xdb\xbb\xa6\xe8\xaf\x62\x13\xf3\x4b\xbf\xb3";
    let nonce: [u8; NONCE] = std::array::from_fn(|index| index as u8);
    let keys = [[1; 32], [2; 32]];
    for key in keys {
        let mut text = TEXT;
        let cipher = Derived::new(&key, &nonce).cipher();
        let accepted = cipher.decrypt_inout_detached(
            &XNonce::from(nonce),
            &PLACE.bytes(),
            text.as_mut_slice().into(),
            &Tag::from(BOTH),
        );
        assert_eq!(accepted, Ok(()), "control: the bare AEAD accepts both");
    }
    for (committed, other) in [(0, 1), (1, 0)] {
        let mut row = nonce.to_vec();
        row.extend_from_slice(Derived::new(&keys[committed], &nonce).commitment());
        row.extend_from_slice(&TEXT);
        row.extend_from_slice(&BOTH);
        assert!(open(&keys[committed], &PLACE, &row).is_ok());
        assert_eq!(open(&keys[other], &PLACE, &row), Err(Refusal::Commitment));
    }
}

#[test]
fn a_row_of_any_length_is_sealed_and_opened_in_little_stack() {
    for length in [0, 1, 64, 300, 5_000, crate::MAX_SECRET + 4096] {
        let plain = vec![7; length];
        let mut row = Vec::new();
        assert_shallow("sealing", CIPHER, || {
            let fill = |out: &mut [u8]| {
                out.copy_from_slice(&plain);
                Ok(())
            };
            row = seal(&[1; 32], &[2; NONCE], &PLACE, length, fill).unwrap();
        });
        let mut opened = vec![0; length];
        assert_shallow("opening", CIPHER, || super::open(&[1; 32], &PLACE, &row, &mut opened).unwrap());
        assert_eq!(opened, plain);
    }
}
