//! How a secret is named where a value stands otherwise: `aws/prod/key`, or one field of it with `#field`
//! behind; and in files of others, with `glassdome://` in front.

use glassdome_proto::{Field, Name, NameError};

/// What tells a reference from a value.
pub(crate) const SCHEME: &str = "glassdome://";

/// A secret, or one field of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Which secret.
    pub name: Name<'static>,
    /// Which field; the main value if none.
    pub field: Option<Field<'static>>,
}

impl Reference {
    /// Reads `NAME[#FIELD]`, without the scheme. The last `#` counts, and with nothing behind it there is
    /// no field: `a#b#` is the value of the secret `a#b`.
    ///
    /// # Errors
    /// [`NameError`] says which rule name or field breaks.
    pub fn typed(text: &str) -> Result<Self, NameError> {
        let (name, field) = match text.rsplit_once('#') {
            Some((name, "")) => (name, None),
            Some((name, field)) => (name, Some(field)),
            None => (text, None),
        };
        Ok(Self { name: Name::typed(name)?, field: field.map(Field::typed).transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Option<String>) {
        let Reference { name, field } = Reference::typed(text).unwrap();
        (name.to_string(), field.map(|field| field.to_string()))
    }

    #[test]
    fn the_last_hash_parts_name_and_field() {
        for (text, name, field) in [
            ("aws/prod/key", "aws/prod/key", None),
            ("github#user", "github", Some("user")),
            ("a#b#c", "a#b", Some("c")),
            ("a#b#", "a#b", None),
            ("e\u{301}#e\u{301}/id", "é", Some("é/id")),
        ] {
            assert_eq!(read(text), (name.to_owned(), field.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["", "#", "#user", "a//b", "a/#user", "a#\u{7}"] {
            assert!(Reference::typed(text).is_err(), "{text:?}");
        }
    }
}
