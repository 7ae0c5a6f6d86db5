//! What of the log is in the kernel and not on the disk yet, and what is once it is there.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use glassdome_audit::Hex;
use glassdome_audit::link::Link;

use super::anchor::Anchor;
use super::link::LinkFile;
use super::{Entry, Journal, Unwritable};
use crate::clock::Now;

/// What is to be brought to the disk, off the event loop.
#[derive(Debug)]
pub struct Unsynced {
    pub(super) files: Vec<Arc<File>>,
    pub(super) dir: Option<PathBuf>,
    pub(super) link: Option<LinkTo>,
    pub(super) anchor: Anchor,
}

#[derive(Debug)]
pub(super) struct LinkTo {
    pub(super) to: Leave,
    pub(super) file: Arc<Mutex<LinkFile>>,
}

/// What of a link lies there once the log is on the disk.
#[derive(Debug)]
pub(super) enum Leave {
    /// This one.
    Behind(Link),
    /// None but this log's: it has no seals.
    NoneBut(Hex<16>),
}

/// What is on the disk now.
#[derive(Debug)]
pub struct Synced {
    /// Where the log stands by then.
    pub anchor: Anchor,
    pub(super) link: Option<LinkTo>,
}

impl Journal {
    /// As [`Journal::record`], for whoever may end behind it: the line and the link behind it are on the disk when this
    /// returns. Where the log stands by then.
    ///
    /// # Errors
    /// What the system says.
    pub fn record_on_disk(&self, entry: Entry<'_>, now: Now) -> io::Result<Anchor> {
        self.record(entry, now).map_err(|Unwritable(source)| source)?;
        let synced = self.unsynced().sync()?;
        synced.leave_link()?;
        Ok(synced.anchor)
    }
}
