//! Writes secrets out in plain text, one after the other as they come: whatever is made of one lies in a buffer that is
//! wiped, and goes straight to a descriptor.

use std::os::fd::AsFd;

use glassdome_proto::whole::Whole;
use zeroize::Zeroizing;

use crate::descriptor::write_all;

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
    /// Secrets that were written.
    pub(crate) written: usize,
    /// What was not.
    pub(crate) left_out: Vec<LeftOut>,
}

impl<Fd: AsFd> Writer<Fd> {
    /// One to which nothing was written.
    pub(crate) fn new(to: Fd, format: Format) -> Self {
        Self { to, format, written: 0, left_out: Vec::new() }
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
        write_all(&self.to, &text)
    }

    /// Writes what comes behind the last.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn end(&mut self) -> std::io::Result<()> {
        if self.format == Format::Json { write_all(&self.to, json::END) } else { Ok(()) }
    }
}

/// Text of a secret: with this capacity it never moves.
fn buffer(capacity: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(capacity))
}
