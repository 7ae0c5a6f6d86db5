//! Sets a log aside that does not verify: a new one is made first, which says after which it comes, then
//! all files of the old one go into a directory with the time in its name, and the new one takes its place.
//! Nothing is deleted, nobody is locked out, and where it cannot be done all is as it was.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use glassdome_audit::chain::Head;
use glassdome_audit::{After, Hex, files};
use glassdome_sys::private_dir;

use super::log::{self, Begin, Log, NEXT, With, create, discard, rename};
use super::scan::{self, Wrong};
use super::vaults::Vaults;
use super::{Journal, Unwritable, open};
use crate::clock::Now;

/// What the copy is called of a file that was written to while another lay in its place.
const OPEN: &str = "audit-was-open.jsonl";

/// A log that is set aside, and what the next takes over from it.
#[derive(Debug)]
pub(super) struct Old<'a> {
    /// Where it is written to.
    pub path: &'a Path,
    /// The file that was written to, if that is no longer the one at its path: what it holds is copied.
    pub open: Option<&'a File>,
    /// Which it was, and where it ended.
    pub after: After,
    /// Whose the seals of the next are.
    pub auditor: Option<Hex<32>>,
    /// The states of vaults that it told, as far as it could be read.
    pub vaults: Vaults,
    /// What these begin with.
    pub with: With<'a>,
}

impl Journal {
    /// Sets the log aside, and begins another, sealed to `auditor`.
    ///
    /// # Errors
    /// [`Unwritable`]; the log is as it was before.
    pub fn set_aside(&self, wrong: Wrong, auditor: Option<Hex<32>>, now: Now) -> Result<(), Unwritable> {
        let mut log = self.log.borrow_mut();
        let link = log.link().filter(|_| log.auditor == auditor);
        let old = Old {
            path: &log.path,
            open: (!log.is_at_its_path()).then_some(&*log.file),
            after: After { id: Some(log.id), seq: log.head.seq, hash: log.head.hash },
            auditor,
            vaults: log.vaults().clone(),
            with: link.as_ref().map_or(With::Nothing, With::Link),
        };
        let anew = set_aside(old, wrong, now)?;
        *log = anew;
        self.sound.take();
        // The number of a record of the other log would mislead.
        self.session.set(self.session.get().map(|_| log.head.seq));
        self.accepted.set(0);
        self.aside.set(Some(wrong));
        self.alarmed(now);
        Ok(log.publish(self.journald.clone())?)
    }

    /// Records an alarm, which the vault is to be told of.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub fn raise(&self, wrong: Wrong, now: Now) -> Result<(), Unwritable> {
        self.log.borrow_mut().alarm(wrong, now)?;
        self.alarmed(now);
        Ok(())
    }

    /// Records an alarm if a rotation went past something, or an earlier one that came to nothing did.
    pub(super) fn say_planted(&self, log: &mut Log, now: Now) -> io::Result<()> {
        if log.planted {
            log.alarm(Wrong::Planted, now)?;
            log.planted = false;
            self.alarmed(now);
        }
        Ok(())
    }

    /// There is an alarm since now, if there was none.
    pub(super) fn alarmed(&self, now: Now) {
        self.alarm.set(self.alarm.get().or_else(|| Some(scan::to_the_second(now.wall))));
        self.want_anchor();
    }
}

/// Sets `old` aside, and begins another, in which the alarm is recorded. Its lines are to be published.
pub(super) fn set_aside(old: Old<'_>, wrong: Wrong, now: Now) -> io::Result<Log> {
    let dir = old.path.parent().unwrap_or(Path::new("/"));
    let next = dir.join(NEXT);
    if fs::symlink_metadata(dir).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        private_dir(dir).map_err(io::Error::other)?;
        tracing::error!("{} was taken away, and was made again", dir.display());
    }
    let planted = open::free(&next)? | open::clear_full(dir)? | open::clear(old.path)?;
    let file = create(&next)?;
    let done = begin(&old, &next, file, wrong, planted, now).and_then(|mut log| {
        let aside = move_away(dir, old.open, now)?;
        tracing::error!("the audit log does not verify ({}): it is in {}", wrong.word(), aside.display());
        rename(&next, old.path)?;
        log.path = old.path.to_owned();
        Ok(log)
    });
    done.inspect_err(|_| discard(&next))
}

/// Makes the log that comes after, in `file` at `next`, all of which is on the disk before anything of the old one
/// moves. What goes wrong names that file.
fn begin(old: &Old<'_>, next: &Path, file: File, wrong: Wrong, planted: bool, now: Now) -> io::Result<Log> {
    let begin = Begin {
        id: log::random()?,
        auditor: old.auditor,
        after: Some(old.after),
        by: Some(wrong.word()),
        head: Head::NONE,
        vaults: old.vaults.clone(),
        journald: None,
    };
    let mut log = Log::begin(next, file, &begin, now)?;
    log.begin_key(old.with, now)?;
    if wrong != Wrong::EarlierFormat {
        log.alarm(wrong, now)?;
    }
    if planted {
        log.alarm(Wrong::Planted, now)?;
    }
    log.file.sync_all()?;
    Ok(log)
}

/// Moves the log's files away, and says where to; if one of them cannot be moved, all stay.
fn move_away(dir: &Path, open: Option<&File>, now: Now) -> io::Result<PathBuf> {
    let aside = make(dir, now)?;
    let mut moved = Vec::new();
    let filled = fill(&aside, dir, open, &mut moved);
    if let Err(error) = filled {
        for (from, to) in moved.iter().rev() {
            rename(to, from)?;
        }
        if open.is_some() && aside.join(OPEN).exists() {
            discard(&aside.join(OPEN));
        }
        fs::remove_dir(&aside).map_err(open::of(&aside))?;
        return Err(error);
    }
    Ok(aside)
}

fn fill(
    aside: &Path,
    dir: &Path,
    open: Option<&File>,
    moved: &mut Vec<(PathBuf, PathBuf)>,
) -> io::Result<()> {
    // What needs room comes first.
    if let Some(open) = open {
        let to = aside.join(OPEN);
        copy(open, &create(&to)?).map_err(open::of(&to))?;
    }
    for file in files::list(dir)? {
        let name = file.path.file_name().expect("it was listed by its name");
        let to = aside.join(name);
        rename(&file.path, &to)?;
        moved.push((file.path, to));
    }
    File::open(aside)?.sync_all()
}

/// Makes a directory with the time in its name, and with something random behind it if that is taken.
fn make(dir: &Path, now: Now) -> io::Result<PathBuf> {
    let make = |name: String| {
        let aside = dir.join(name);
        DirBuilder::new().mode(0o700).create(&aside).map_err(open::of(&aside)).map(|()| aside)
    };
    match make(files::aside_name(now.wall, None)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            make(files::aside_name(now.wall, Some(log::random()?)))
        }
        made => made,
    }
}

fn copy(from: &File, mut to: &File) -> io::Result<()> {
    let (mut at, mut block) = (0, vec![0; 64 * 1024]);
    loop {
        let read = from.read_at(&mut block, at)?;
        if read == 0 {
            return to.sync_data();
        }
        to.write_all(&block[..read])?;
        at += read as u64;
    }
}
