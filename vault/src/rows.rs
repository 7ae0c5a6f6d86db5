//! A sealed row: `version (u64, little-endian) ‖ sealed`, and in it one format byte and what postcard
//! writes. The version is in the clear to be read first, and in the associated data to be vouched for.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::aad::Place;
use crate::{Damage, Error, seal};

/// The first byte of each plaintext.
pub(crate) const FORMAT: u8 = 1;

/// Seals `content` for its place.
pub(crate) fn seal(key: &[u8], place: &Place<'_>, content: &impl Serialize) -> Result<Vec<u8>, Error> {
    let length = 1 + postcard::experimental::serialized_size(content).map_err(|_| Error::TooLarge)?;
    let mut row = place.version.to_le_bytes().to_vec();
    seal::seal_onto(&mut row, key, place, length, |out| {
        out[0] = FORMAT;
        postcard::to_slice(content, &mut out[1..]).map_err(|_| Error::TooLarge)?;
        Ok(())
    })?;
    Ok(row)
}

/// Opens a row at its place, whatever its version, and gives the version and the plaintext.
pub(crate) fn open(key: &[u8], place: &Place<'_>, row: &[u8]) -> Result<(u64, Zeroizing<Vec<u8>>), Error> {
    let (version, sealed) = row.split_first_chunk().ok_or(Damage::Row)?;
    let place = Place { version: u64::from_le_bytes(*version), ..*place };
    let length = seal::plain_length(sealed).ok_or(Damage::Row)?;
    let mut plain = Zeroizing::new(vec![0; length]);
    seal::open_into(key, &place, sealed, &mut plain).map_err(|_| Damage::Row)?;
    Ok((place.version, plain))
}

/// Reads a plaintext, all of it.
pub(crate) fn decode<'a, T: Deserialize<'a>>(plain: &'a [u8]) -> Result<T, Error> {
    let (&format, content) = plain.split_first().ok_or(Damage::Row)?;
    match postcard::take_from_bytes(content) {
        Ok((content, [])) if format == FORMAT => Ok(content),
        _ => Err(Damage::Row.into()),
    }
}
