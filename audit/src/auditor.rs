//! The auditor's secret key, as it is written down: `glassdome-auditor-1-<64 hex>-<8 hex check>`.
//! It is shown once, when it is made, and kept nowhere.

use zeroize::Zeroizing;

use crate::marks::Hex;
use crate::seal;

const PREFIX: &str = "glassdome-auditor-1-";
const CHECK: usize = 4;

/// Characters of a secret as text.
pub const LEN: usize = PREFIX.len() + 64 + 1 + 2 * CHECK;

/// Why a text is no auditor's key. Nothing of the text is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It does not look like one.
    #[error("no auditor's key: it begins with {PREFIX} and has {LEN} characters")]
    Form,
    /// It does, but a character of it is wrong.
    #[error("the auditor's key has a mistake in it: its last eight characters do not fit the rest")]
    Mistyped,
}

/// An auditor's secret key.
pub struct Auditor(Zeroizing<[u8; seal::KEY]>);

impl Auditor {
    /// The one of these random bytes.
    pub fn new(secret: Zeroizing<[u8; seal::KEY]>) -> Self {
        Self(secret)
    }

    /// Reads one, with white space around it or not.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn parse(text: &[u8]) -> Result<Self, BadKey> {
        let text = text.trim_ascii();
        let rest = text.strip_prefix(PREFIX.as_bytes()).ok_or(BadKey::Form)?;
        if text.len() != LEN || rest[64] != b'-' {
            return Err(BadKey::Form);
        }
        let hex = Zeroizing::new(Hex::<32>::parse(&rest[..64]).ok_or(BadKey::Form)?.0);
        let check = Hex::<CHECK>::parse(&rest[65..]).ok_or(BadKey::Form)?;
        let auditor = Self(hex);
        if auditor.check() != check {
            return Err(BadKey::Mistyped);
        }
        Ok(auditor)
    }

    /// As it is written down.
    pub fn text(&self) -> Zeroizing<Vec<u8>> {
        let mut text = Zeroizing::new(Vec::with_capacity(LEN));
        text.extend_from_slice(PREFIX.as_bytes());
        Hex(*self.0).push(&mut text);
        text.push(b'-');
        self.check().push(&mut text);
        text
    }

    /// The secret.
    pub fn expose(&self) -> &[u8; seal::KEY] {
        &self.0
    }

    /// Its public key, by which everybody seals to it.
    pub fn public(&self) -> [u8; seal::KEY] {
        seal::public(&self.0)
    }

    fn check(&self) -> Hex<CHECK> {
        // Over the text, so that it says which version the key is of.
        let mut text = Zeroizing::new(Vec::with_capacity(LEN));
        text.extend_from_slice(PREFIX.as_bytes());
        Hex(*self.0).push(&mut text);
        let hash = blake3::hash(&text);
        let [a, b, c, d, ..] = *hash.as_bytes();
        Hex([a, b, c, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_and_a_mistake_in_it_is_told() {
        let auditor = Auditor::new(Zeroizing::new([0xa7; 32]));
        let text = auditor.text();
        assert_eq!((text.len(), text.capacity()), (LEN, LEN), "it never moved, and left nothing behind");
        let line = [b"  ", text.as_slice(), b"\n"].concat();
        assert_eq!(Auditor::parse(&line).unwrap().expose(), auditor.expose());
        for n in 0..LEN {
            let mut wrong = text.to_vec();
            wrong[n] = if wrong[n] == b'1' { b'2' } else { b'1' };
            let expected = match n {
                _ if n < PREFIX.len() || n == PREFIX.len() + 64 => BadKey::Form,
                _ => BadKey::Mistyped,
            };
            assert_eq!(Auditor::parse(&wrong).err(), Some(expected), "{n}");
        }
        assert_eq!(Auditor::parse(b"").err(), Some(BadKey::Form));
        assert_eq!(Auditor::parse(&text[..LEN - 1]).err(), Some(BadKey::Form));
    }
}
