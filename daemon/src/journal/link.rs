//! The file that ties one run's seals to the next's, held open from the start. Another program that puts
//! something in its place neither holds the daemon up nor keeps the link from being left, and is told of.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use glassdome_audit::link::{self, Link};
use glassdome_audit::{Hex, files};
use zeroize::Zeroizing;

use super::open::{self, Unopened};

/// `audit.link`, as this run has it.
#[derive(Debug)]
pub(super) struct LinkFile {
    path: PathBuf,
    /// Open, with its device and inode; `None` until there is one.
    held: Option<(File, (u64, u64))>,
    /// The log of the link that is in it.
    of: Option<Hex<16>>,
}

/// What an earlier run left.
#[derive(Debug)]
pub(super) struct Found {
    pub file: LinkFile,
    /// `None` if there is none that could be one.
    pub link: Option<Link>,
    /// Whether something else lay there, which was moved away.
    pub planted: bool,
}

impl LinkFile {
    /// Reads what is in `dir`, and holds it open.
    pub fn open(dir: &Path) -> io::Result<Found> {
        let path = dir.join(files::LINK);
        let file = match open::to_overwrite(&path) {
            Ok(file) => file,
            Err(Unopened::Planted { .. }) => {
                open::move_aside(&path)?;
                return Ok(Found { file: Self { path, held: None, of: None }, link: None, planted: true });
            }
            Err(unopened) if unopened.is_missing() => {
                return Ok(Found { file: Self { path, held: None, of: None }, link: None, planted: false });
            }
            Err(unopened) => return Err(unopened.into()),
        };
        let mut block = Zeroizing::new([0; link::LEN]);
        let link: Option<Link> = match file.read_exact_at(block.as_mut_slice(), 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            read => read.map(|()| Link::read(&block))?,
        };
        let place = place_of(&file.metadata()?);
        let of = link.as_ref().map(|link| link.log);
        Ok(Found { file: Self { path, held: Some((file, place)), of }, link, planted: false })
    }

    /// Leaves `link` there, one block in the place of the one before, and says whether the file was
    /// taken away or another lay in its place since.
    pub fn leave(&mut self, link: &Link) -> io::Result<bool> {
        let there = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            there => Some(place_of(&there.map_err(open::of(&self.path))?)),
        };
        let ours = self.held.as_ref().map(|(_, place)| *place);
        if there.is_some() && there != ours {
            open::move_aside(&self.path)?;
        }
        if there.is_none() || there != ours {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create_new(true).mode(0o600).open(&self.path);
            let file = file.map_err(open::of(&self.path))?;
            let place = place_of(&file.metadata()?);
            self.held = Some((file, place));
        }
        let (file, _) = self.held.as_ref().expect("it is there, or was just made");
        let mut block = Zeroizing::new([0; link::LEN]);
        link.write(&mut block);
        file.write_all_at(block.as_slice(), 0)?;
        self.of = Some(link.log);
        Ok(there != ours)
    }

    /// Overwrites with zeros what another log than `log` left: no run goes on from it, and whoever finds it could seal
    /// records of that log.
    pub fn wipe_unless_of(&mut self, log: Hex<16>) -> io::Result<()> {
        let Some((file, _)) = self.held.as_ref().filter(|_| self.of.is_some_and(|of| of != log)) else {
            return Ok(());
        };
        file.write_all_at(&[0; link::LEN], 0).map_err(open::of(&self.path))?;
        self.of = None;
        Ok(())
    }
}

fn place_of(there: &fs::Metadata) -> (u64, u64) {
    (there.dev(), there.ino())
}
