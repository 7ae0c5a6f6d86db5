//! Makes a value that nobody can guess, for secrets that a person never types.

use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

use crate::error::Error;

/// Letters, digits, and the symbols that no shell, URL query or configuration file makes anything of.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

/// Characters when nobody says how many: 145 bits.
pub(crate) const DEFAULT_LEN: u16 = 24;
/// Fewest characters: 120 bits.
pub(crate) const MIN_LEN: u16 = 20;
/// Most characters.
pub(crate) const MAX_LEN: u16 = 4096;

/// Fills `bytes`, which are few, with random ones.
///
/// # Errors
/// [`Error::Random`] when the kernel gives none.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    // Up to 256 come at once, or not at all: getrandom(2).
    let got = getrandom(&mut *bytes, GetRandomFlags::empty()).map_err(|error| Error::Random(error.into()))?;
    if got == bytes.len() { Ok(()) } else { Err(Error::Unexpected) }
}

/// `len` characters, each equally likely and independent of the others.
///
/// # Errors
/// [`Error::Random`] when the kernel gives none.
pub(crate) fn random_value(len: u16) -> Result<Zeroizing<Vec<u8>>, Error> {
    let len = usize::from(len);
    let mut value = Zeroizing::new(Vec::with_capacity(len));
    let mut random = Zeroizing::new([0u8; 64]);
    while value.len() < len {
        fill(random.as_mut_slice())?;
        let missing = len - value.len();
        value.extend(random.iter().filter_map(|&byte| character(byte)).take(missing));
    }
    Ok(value)
}

/// The character that a random byte stands for; `None` for the bytes of the last, incomplete round
/// through the alphabet, which would make its first characters likelier.
fn character(byte: u8) -> Option<u8> {
    let rounds = 256 / ALPHABET.len();
    let byte = usize::from(byte);
    (byte < rounds * ALPHABET.len()).then(|| ALPHABET[byte % ALPHABET.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_equally_likely() {
        let mut counts = [0usize; 256];
        for character in (0..=255).filter_map(character) {
            counts[usize::from(character)] += 1;
        }
        assert!(ALPHABET.iter().all(|&c| counts[usize::from(c)] == 256 / ALPHABET.len()));
        assert_eq!(counts.iter().sum::<usize>(), 256 / ALPHABET.len() * ALPHABET.len());
    }

    #[test]
    fn values_have_their_length_and_differ() {
        let (one, two) = (random_value(24).unwrap(), random_value(24).unwrap());
        assert_eq!((one.len(), two.len()), (24, 24));
        assert_ne!(one, two);
        assert_eq!(random_value(MAX_LEN).unwrap().len(), usize::from(MAX_LEN));
        assert!(one.iter().all(|c| ALPHABET.contains(c)));
    }
}
