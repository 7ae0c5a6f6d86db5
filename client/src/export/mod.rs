//! Writes secrets out in plain text, one after the other as they come: whatever is made of one lies in a buffer that is
//! wiped, and goes straight to a descriptor.

use std::os::fd::AsFd;

use glassdome_proto::whole::Whole;
use zeroize::Zeroizing;

use crate::descriptor::write_all;
use crate::import::FILE;

mod env;
mod json;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Everything: values, fields, expiry; ctl import reads it back
    Json,
    /// Lines of KEY='value', for what such a file can hold
    Env,
}

/// What could not be written, and why.
pub(crate) struct LeftOut {
    pub(crate) what: String,
    pub(crate) why: &'static str,
}

/// An export on its way to a descriptor.
pub(crate) struct Writer<Fd: AsFd> {
    to: Fd,
    format: Format,
    /// Bytes that were written.
    pub(crate) bytes: usize,
    /// Secrets that were written.
    pub(crate) written: usize,
    /// What was not.
    pub(crate) left_out: Vec<LeftOut>,
}

impl<Fd: AsFd> Writer<Fd> {
    /// One to which nothing was written.
    pub(crate) fn new(to: Fd, format: Format) -> Self {
        Self { to, format, bytes: 0, written: 0, left_out: Vec::new() }
    }

    /// Writes one secret under that name, or what of it can be.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn put(&mut self, name: &str, secret: &Whole<'_>) -> std::io::Result<()> {
        let text = match self.format {
            Format::Json => {
                let before = if self.written == 0 { json::BEGIN } else { json::BETWEEN };
                write_all(&self.to, before)?;
                self.bytes += before.len();
                json::secret(name, secret)
            }
            Format::Env => {
                let (line, left_out) = env::line(name, secret);
                self.left_out.extend(left_out);
                let Some(line) = line else { return Ok(()) };
                line
            }
        };
        self.written += 1;
        self.bytes += text.len();
        write_all(&self.to, &text)
    }

    /// Writes what comes behind the last.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn end(&mut self) -> std::io::Result<()> {
        if self.format == Format::Env {
            return Ok(());
        }
        self.bytes += json::END.len();
        write_all(&self.to, json::END)
    }

    /// Whether it is longer than what `ctl import` reads.
    pub(crate) fn is_too_long(&self) -> bool {
        self.bytes > FILE
    }
}

/// Text of a secret: with this capacity it never moves.
fn buffer(capacity: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(capacity))
}

#[cfg(test)]
mod tests {
    use glassdome_proto::{Bytes, List, Name};

    use super::*;

    #[test]
    fn what_is_too_long_to_be_read_again_is_known() {
        let value = "x".repeat(1 << 20);
        let whole = Whole {
            name: Name::parse("a").unwrap(),
            expires: None,
            value: Bytes::new(value.as_bytes()),
            fields: List::new(vec![]).unwrap(),
        };
        for format in [Format::Json, Format::Env] {
            let file = tempfile::tempfile().unwrap();
            let mut writer = Writer::new(&file, format);
            for _ in 0..63 {
                writer.put("a", &whole).unwrap();
            }
            writer.end().unwrap();
            assert!(!writer.is_too_long());
            writer.put("a", &whole).unwrap();
            assert!(writer.is_too_long());
            assert_eq!(writer.bytes as u64, file.metadata().unwrap().len());
        }
    }
}
