//! What arrives in several messages: the size is announced, and the room for all of it made at once.

use glassdome_proto::Refusal;
use zeroize::Zeroizing;

use crate::refuse;

/// Bytes that have arrived, or some of them.
pub struct Parts {
    total: usize,
    bytes: Zeroizing<Vec<u8>>,
}

impl Parts {
    /// Begins with the first part of `total` bytes, of which there may be `most`.
    ///
    /// # Errors
    /// More than there may be, or a first part over the total.
    pub fn begin(what: &str, total: u32, most: usize, first: &[u8]) -> Result<Self, Refusal<'static>> {
        let total = total as usize;
        if total > most {
            let message = format!("{what} of {total} bytes is over the limit of {most} bytes");
            return Err(refuse::usage(message));
        }
        // A buffer that grows would leave copies behind.
        let mut parts = Self { total, bytes: Zeroizing::new(Vec::with_capacity(total)) };
        parts.append(first)?;
        Ok(parts)
    }

    /// Takes the next part.
    ///
    /// # Errors
    /// A part that is empty, or goes past the announced total.
    pub fn add(&mut self, part: &[u8]) -> Result<(), Refusal<'static>> {
        if part.is_empty() {
            return Err(refuse::protocol("an empty part of a value"));
        }
        self.append(part)
    }

    /// Whether all of it is here.
    pub fn is_whole(&self) -> bool {
        self.bytes.len() == self.total
    }

    /// What is here.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn append(&mut self, part: &[u8]) -> Result<(), Refusal<'static>> {
        if self.bytes.len() + part.len() > self.total {
            return Err(refuse::protocol("more bytes than were announced"));
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_whole_with_the_announced_bytes_and_takes_no_more() {
        let mut parts = Parts::begin("a value", 3, 3, b"ab").unwrap();
        assert!(!parts.is_whole() && parts.add(b"").is_err() && parts.add(b"cd").is_err());
        parts.add(b"c").unwrap();
        assert!(parts.is_whole() && parts.bytes() == b"abc");
        assert!(Parts::begin("a value", 4, 3, b"").is_err());
        assert!(Parts::begin("a value", 1, 3, b"ab").is_err());
    }
}
