//! Fields with a maximum of their own. A field that is too long is refused while it is read, so
//! no message can make a reader hold more than its type says.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// UTF-8 text of at most `MAX` bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a, const MAX: usize>(Cow<'a, str>);

impl<'a, const MAX: usize> Text<'a, MAX> {
    /// Text that must fit; `None` if it is longer.
    pub fn new(text: impl Into<Cow<'a, str>>) -> Option<Self> {
        let text = text.into();
        (text.len() <= MAX).then_some(Self(text))
    }

    /// Text that is cut where it does not fit, and ends with `…` then: the beginning of a name is another name.
    pub fn cut(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        if text.len() <= MAX {
            return Self(text);
        }
        const MARK: &str = "…";
        let end = text.floor_char_boundary(MAX.saturating_sub(MARK.len()));
        Self(Cow::Owned(format!("{}{MARK}", &text[..end])))
    }

    /// The text itself.
    pub fn into_owned(self) -> String {
        self.0.into_owned()
    }
}

impl<const MAX: usize> Deref for Text<'_, MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<'_, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> Serialize for Text<'_, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Text<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        Self::new(text).ok_or_else(|| de::Error::invalid_length(text.len(), &"shorter text"))
    }
}

/// At most `MAX` bytes that may be secret: borrowed from a buffer that its owner wipes, and never
/// shown.
#[derive(Clone, Copy)]
pub struct Bytes<'a, const MAX: usize>(&'a [u8]);

impl<'a, const MAX: usize> Bytes<'a, MAX> {
    /// Bytes that must fit; `None` if there are more.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() <= MAX).then_some(Self(bytes))
    }

    /// The bytes, for whoever stores or sends them.
    pub fn expose(self) -> &'a [u8] {
        self.0
    }
}

impl<const MAX: usize> fmt::Debug for Bytes<'_, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

impl<const MAX: usize> Serialize for Bytes<'_, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Bytes<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed<const MAX: usize>;
        impl<'de, const MAX: usize> Visitor<'de> for Borrowed<MAX> {
            type Value = &'de [u8];
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX} bytes")
            }
            fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(bytes)
            }
        }
        let bytes = deserializer.deserialize_bytes(Borrowed::<MAX>)?;
        Self::new(bytes).ok_or_else(|| de::Error::invalid_length(bytes.len(), &"fewer bytes"))
    }
}

/// At most `MAX` elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// Elements that must fit; `None` if there are more.
    pub fn new(elements: Vec<T>) -> Option<Self> {
        (elements.len() <= MAX).then_some(Self(elements))
    }

    /// The elements.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T, const MAX: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Elements<T, MAX> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX} elements")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let announced = seq.size_hint().unwrap_or(0);
                if announced > MAX {
                    return Err(de::Error::invalid_length(announced, &self));
                }
                // Grows with what really arrives: an announced length alone costs nothing.
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    if elements.len() == MAX {
                        return Err(de::Error::invalid_length(MAX + 1, &self));
                    }
                    elements.push(element);
                }
                Ok(elements)
            }
        }
        deserializer.deserialize_seq(Elements::<T, MAX>(PhantomData)).map(Self)
    }
}
