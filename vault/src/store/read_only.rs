//! A file that redb reads and nobody writes to by it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;

/// The file, as long as it was.
#[derive(Debug, Clone)]
pub(super) struct ReadOnly {
    file: Arc<File>,
    length: u64,
    /// What its first bytes are taken to be.
    head: Arc<[u8]>,
    read: Arc<AtomicU64>,
}

impl ReadOnly {
    /// The file as it is now.
    pub fn now(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), length, head: Arc::default(), read: Arc::default() })
    }

    /// As it is now, with its first `length` bytes as they are now, whatever becomes of them. `read` counts the bytes that
    /// are read of it.
    pub fn with_head(self, length: usize, read: Arc<AtomicU64>) -> io::Result<Self> {
        let mut head = vec![0; length];
        self.file.read_exact_at(&mut head, 0)?;
        Ok(Self { head: head.into(), read, ..self })
    }
}

impl StorageBackend for ReadOnly {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)?;
        if let Some(head) = usize::try_from(offset).ok().and_then(|offset| self.head.get(offset..)) {
            let both = head.len().min(out.len());
            out[..both].copy_from_slice(&head[..both]);
        }
        self.read.fetch_add(out.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}
