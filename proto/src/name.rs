//! What a secret and a field may be called. A name that parsed is known to be good everywhere:
//! nobody validates it again.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::limits;

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a name must not be empty")]
    Empty,
    /// More bytes of UTF-8 than the limit.
    #[error("a name of {len} bytes is over the limit of {max} bytes")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A control character, which no terminal should be sent.
    #[error("a name must not hold control characters")]
    Control,
    /// The same text has another spelling in bytes, which would be another name.
    #[error("a name must be in Unicode normal form C")]
    NotNormal,
    /// `//`, a leading or a trailing `/`.
    #[error("a name's path segments must not be empty: no leading, trailing or double '/'")]
    EmptySegment,
}

/// Name of a secret: a path such as `aws/prod/key`, in Unicode normal form C, at most
/// [`limits::NAME`] bytes, without control characters and without empty segments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name<'a>(Cow<'a, str>);

/// Name of a field of a secret: as a [`Name`], at most [`limits::FIELD`] bytes; `/` has no meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field<'a>(Cow<'a, str>);

fn check(text: &str, max: usize) -> Result<(), NameError> {
    match text {
        "" => Err(NameError::Empty),
        _ if text.len() > max => Err(NameError::TooLong { len: text.len(), max }),
        _ if text.chars().any(char::is_control) => Err(NameError::Control),
        _ if !is_nfc(text) => Err(NameError::NotNormal),
        _ => Ok(()),
    }
}

impl<'a> Name<'a> {
    /// Takes a name as it is.
    ///
    /// # Errors
    /// [`NameError`] says which rule it breaks.
    pub fn parse(text: impl Into<Cow<'a, str>>) -> Result<Self, NameError> {
        let text = text.into();
        check(&text, limits::NAME)?;
        if text.split('/').any(str::is_empty) {
            return Err(NameError::EmptySegment);
        }
        Ok(Self(text))
    }

    /// Takes a name as a person typed it, and brings it into normal form C first.
    ///
    /// # Errors
    /// [`NameError`] says which rule it breaks.
    pub fn typed(text: &str) -> Result<Name<'static>, NameError> {
        Name::parse(text.nfc().collect::<String>())
    }

    /// The same name, free of the buffer it came in.
    pub fn into_owned(self) -> Name<'static> {
        Name(Cow::Owned(self.0.into_owned()))
    }

    /// The same name, lent.
    pub fn by_ref(&self) -> Name<'_> {
        Name(Cow::Borrowed(&self.0))
    }
}

impl<'a> Field<'a> {
    /// Takes a field's name as it is.
    ///
    /// # Errors
    /// [`NameError`] says which rule it breaks.
    pub fn parse(text: impl Into<Cow<'a, str>>) -> Result<Self, NameError> {
        let text = text.into();
        check(&text, limits::FIELD)?;
        Ok(Self(text))
    }

    /// Takes a field's name as a person typed it, and brings it into normal form C first.
    ///
    /// # Errors
    /// [`NameError`] says which rule it breaks.
    pub fn typed(text: &str) -> Result<Field<'static>, NameError> {
        Field::parse(text.nfc().collect::<String>())
    }

    /// The same name, free of the buffer it came in.
    pub fn into_owned(self) -> Field<'static> {
        Field(Cow::Owned(self.0.into_owned()))
    }

    /// The same name, lent.
    pub fn by_ref(&self) -> Field<'_> {
        Field(Cow::Borrowed(&self.0))
    }
}

macro_rules! text_like {
    ($type:ident) => {
        impl Deref for $type<'_> {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $type<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl Serialize for $type<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de: 'a, 'a> Deserialize<'de> for $type<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $type::parse(<&str>::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}
text_like!(Name);
text_like!(Field);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_in_any_script() {
        for name in
            ["a", "aws/prod/key", "データベース/主", "מפתח", "ключ", "a b", "🔑", "x".repeat(512).as_str()]
        {
            assert_eq!(&*Name::parse(name).unwrap(), name);
        }
    }

    #[test]
    fn each_rule_has_its_error() {
        assert_eq!(Name::parse(""), Err(NameError::Empty));
        assert_eq!(Name::parse("x".repeat(513)), Err(NameError::TooLong { len: 513, max: 512 }));
        assert_eq!(Name::parse("a\nb"), Err(NameError::Control));
        assert_eq!(Name::parse("a\u{9b}b"), Err(NameError::Control));
        assert_eq!(Name::parse("e\u{301}"), Err(NameError::NotNormal));
        for path in ["/a", "a/", "a//b", "/"] {
            assert_eq!(Name::parse(path), Err(NameError::EmptySegment));
        }
        assert!(Field::parse("/").is_ok());
    }

    #[test]
    fn typed_names_are_normalised() {
        assert_eq!(&*Name::typed("e\u{301}").unwrap(), "é");
    }
}
