//! Secrets as a whole, each with its value, fields and expiry: what is brought in one step, and what leaves in an
//! export. Several of them are one run of bytes, larger than a frame, which travels in parts.

use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError, EncodeError};
use crate::{Bytes, Field, List, Name, limits};

/// One secret.
#[derive(Debug, Serialize, Deserialize)]
pub struct Whole<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Name<'a>,
    /// When it should be replaced, in seconds since the epoch.
    pub expires: Option<u64>,
    /// Its main value; `None` if it has only fields.
    #[serde(borrow)]
    pub value: Option<Bytes<'a, { limits::VALUE }>>,
    /// Its fields.
    #[serde(borrow)]
    pub fields: List<WholeField<'a>, { limits::FIELDS }>,
}

/// A field with its value.
#[derive(Debug, Serialize, Deserialize)]
pub struct WholeField<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Field<'a>,
    /// Its value.
    #[serde(borrow)]
    pub value: Bytes<'a, { limits::VALUE }>,
}

/// Several secrets.
pub type Wholes<'a> = List<Whole<'a>, { limits::BATCH }>;

impl Whole<'_> {
    /// Bytes that it takes among several, at most.
    pub fn len_at_most(&self) -> usize {
        // postcard: a length in up to 3 bytes here, an option's mark in 1, a time in up to 10.
        let fields: usize = self.fields.iter().map(|f| 6 + f.name.len() + f.value.expose().len()).sum();
        3 + self.name.len() + 11 + 4 + self.value.map_or(0, |value| value.expose().len()) + 3 + fields
    }
}

/// Writes several secrets to the start of `room`, which the caller wipes, and returns how many bytes they take.
///
/// # Errors
/// [`EncodeError`] when they take more than `room` or than [`limits::WHOLES`].
pub fn write(secrets: &Wholes<'_>, room: &mut [u8]) -> Result<usize, EncodeError> {
    let most = room.len().min(limits::WHOLES);
    codec::put(secrets, &mut room[..most])
}

/// Reads several secrets; what they hold borrows from `bytes`.
///
/// # Errors
/// [`DecodeError`] when the bytes are anything else.
pub fn read(bytes: &[u8]) -> Result<Wholes<'_>, DecodeError> {
    codec::decode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole<'a>(name: &'a str, value: Option<&'a [u8]>, fields: &[(&'a str, &'a [u8])]) -> Whole<'a> {
        let field = |&(name, value): &(&'a str, &'a [u8])| WholeField {
            name: Field::parse(name).unwrap(),
            value: Bytes::new(value).unwrap(),
        };
        Whole {
            name: Name::parse(name).unwrap(),
            expires: Some(u64::MAX),
            value: value.map(|value| Bytes::new(value).unwrap()),
            fields: List::new(fields.iter().map(field).collect()).unwrap(),
        }
    }

    #[test]
    fn several_come_back_as_they_were() {
        let fields: [(&str, &[u8]); 1] = [("user", b"x")];
        let several = vec![whole("a/b", Some(b"\x00\xff"), &fields), whole("c", None, &[])];
        let several = Wholes::new(several).unwrap();
        let mut room = vec![0; several.iter().map(Whole::len_at_most).sum::<usize>() + 3];
        let len = write(&several, &mut room).unwrap();
        let again = read(&room[..len]).unwrap();
        assert_eq!((&*again[0].name, again[0].value.unwrap().expose()), ("a/b", &b"\x00\xff"[..]));
        assert_eq!((&*again[0].fields[0].name, again[0].fields[0].value.expose()), ("user", &b"x"[..]));
        assert!(again[1].value.is_none() && again[1].fields.is_empty() && again[1].expires == Some(u64::MAX));
        assert!(read(&room[..len - 1]).is_err());
        assert_eq!(read(&[&room[..len], &[0]].concat()).err(), Some(DecodeError::Trailing(1)));
    }

    #[test]
    fn the_largest_fits() {
        let name = "n".repeat(limits::NAME);
        let each = (limits::VALUE - limits::FIELDS * limits::FIELD) / (limits::FIELDS + 1);
        let value = vec![7; each];
        let names: Vec<String> =
            (0..limits::FIELDS).map(|i| format!("{i:0width$}", width = limits::FIELD)).collect();
        let fields: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &value[..])).collect();
        let largest = whole(&name, Some(&value), &fields);
        let most = largest.len_at_most() + 1;
        let mut room = vec![0; limits::WHOLES + 1];
        let len = write(&Wholes::new(vec![largest]).unwrap(), &mut room).unwrap();
        assert!(len <= most && most <= limits::WHOLES, "{len} {most}");
        let more = vec![whole("a", Some(&value[..]), &fields), whole("b", Some(&value[..]), &fields)];
        assert!(write(&Wholes::new(more).unwrap(), &mut room).is_err());
    }
}
