//! One line beside the socket that a shell's prompt can read without starting a process, for owners who
//! ask for it: the session's state, when it ends, and which process says so. It is for the eye only.
//! Nothing of ours reads it, and any program of the owner's can forge it.
//!
//! Beside it stands an empty file that the line names, for as long as the line is the last one: a prompt that
//! remembers the line need not read it again.

use std::cell::{Cell, RefCell};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::attest::process::Stat;

/// The file, and how the last try to write it went.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    process: Process,
    /// This process's directory in `/proc`, held open: so its times stay those of this look, which is older than
    /// any mark. Of a later process of the same number it would be younger than all of them.
    _own: fs::File,
    /// The file that stands for the line.
    mark: RefCell<Option<PathBuf>>,
    lines: Cell<u64>,
    failed: RefCell<Option<String>>,
    ended: Cell<bool>,
}

/// What the line says of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// None is open.
    Locked,
    /// One is open.
    Unlocked {
        /// When it ends if nobody uses it, in seconds since the epoch.
        until: u64,
    },
    /// One is open, and what was granted rests.
    Paused {
        /// When it ends if nobody uses it, in seconds since the epoch.
        until: u64,
    },
}

/// Which process writes: a number alone may be another's by the time that it is read.
#[derive(Debug, Clone, Copy)]
struct Process {
    pid: i32,
    /// In clock ticks since the machine started, as proc_pid_stat(5) has it.
    start: u64,
}

impl StateFile {
    /// The file of the daemon that listens at `socket`: that path with `.state` behind it. Nothing is
    /// written yet.
    ///
    /// # Errors
    /// When the kernel does not say when this process started.
    pub fn beside(socket: &Path) -> io::Result<Self> {
        let own = fs::File::open("/proc/self")?;
        let stat = Stat::read(own.as_fd())?;
        let process = Process { pid: stat.pid, start: stat.start };
        let path = with(socket, ".state");
        // They stand for lines of one that was killed, and mislead nobody: no such process is there.
        if let Err(error) = sweep(&path) {
            tracing::warn!(
                "what a daemon that was killed left of its state file could not be removed: {error}"
            );
        }
        Ok(Self {
            path,
            process,
            _own: own,
            mark: RefCell::default(),
            lines: Cell::new(0),
            failed: RefCell::default(),
            ended: Cell::new(false),
        })
    }

    /// Replaces the line; readers see the old one or the new one. Where that fails there is none at all,
    /// since an old one would be wrong. Whether it went well. It waits for the runtime directory's file
    /// system, which is in memory as a rule; on another thread it might get its turn when the prompt is drawn
    /// already.
    pub fn write(&self, shown: Shown) -> bool {
        if self.ended.get() {
            return true;
        }
        let failed = self.replace(shown).err().map(|error| error.to_string());
        let well = failed.is_none();
        if self.failed.replace(failed.clone()) != failed
            && let Some(why) = failed
        {
            tracing::warn!("the state file cannot be written: {why}");
        }
        well
    }

    /// Removes it. Nothing is written any more.
    pub fn end(&self) {
        self.ended.set(true);
        if let Err(error) = remove(&self.path).and(self.unmark()) {
            tracing::warn!("the state file cannot be removed: {error}");
        }
    }

    /// The old mark's end, then the new line with its own: who finds that line need not fear that somebody still goes
    /// on believing the former one.
    fn replace(&self, shown: Shown) -> io::Result<()> {
        let number = self.lines.get() + 1;
        self.lines.set(number);
        let mark = format!("{}-{number}", self.process.start);
        let there = with(&self.path, &format!(".{mark}"));
        let made = self
            .unmark()
            .and_then(|()| new(&there))
            .and_then(|_| replace(&self.path, &line(shown, self.process, &mark)));
        match made {
            Ok(()) => {
                *self.mark.borrow_mut() = Some(there);
                Ok(())
            }
            Err(error) => remove(&self.path).and(self.unmark()).and(remove(&there)).and(Err(error)),
        }
    }

    /// What could not be removed is tried again the next time.
    fn unmark(&self) -> io::Result<()> {
        let mut mark = self.mark.borrow_mut();
        mark.as_deref().map_or(Ok(()), remove)?;
        *mark = None;
        Ok(())
    }

    /// Why it could not be written, if it could not.
    pub fn failed(&self) -> Option<String> {
        self.failed.borrow().clone()
    }
}

impl Shown {
    /// Whether readers would be told something else: not by the second that rounding brings.
    pub fn differs(self, other: Self) -> bool {
        match (self, other) {
            (Self::Unlocked { until }, Self::Unlocked { until: other })
            | (Self::Paused { until }, Self::Paused { until: other }) => until.abs_diff(other) > 1,
            _ => self != other,
        }
    }
}

/// `unlocked 1795348800 4711 123456 123456-1`: words behind these may come with later versions.
fn line(shown: Shown, Process { pid, start }: Process, mark: &str) -> String {
    let (word, until) = match shown {
        Shown::Locked => ("locked", 0),
        Shown::Unlocked { until } => ("unlocked", until),
        Shown::Paused { until } => ("paused", until),
    };
    format!("{word} {until} {pid} {start} {mark}\n")
}

/// A file that was not there, for the owner only.
fn new(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn replace(path: &Path, line: &str) -> io::Result<()> {
    let fresh = with(path, ".new");
    let written = remove(&fresh).and_then(|()| {
        let mut file = new(&fresh)?;
        file.write_all(line.as_bytes())?;
        fs::rename(&fresh, path)
    });
    written.or_else(|error| {
        let (old, fresh) = (remove(path), remove(&fresh));
        old.and(fresh).and(Err(error))
    })
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes every mark beside the file at `path`.
fn sweep(path: &Path) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let prefix = [name.as_encoded_bytes(), b"."].concat();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let mark = name.as_encoded_bytes().strip_prefix(&*prefix);
        if mark.is_some_and(|mark| mark.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-')) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.sock.state");
        (dir, path)
    }

    #[test]
    fn the_line_says_state_and_end_and_who_says_so() {
        let process = Process { pid: 4711, start: 123_456 };
        assert_eq!(line(Shown::Locked, process, "123456-1"), "locked 0 4711 123456 123456-1\n");
        assert_eq!(line(Shown::Paused { until: 5 }, process, "5-2"), "paused 5 4711 123456 5-2\n");
        assert_eq!(
            line(Shown::Unlocked { until: 1_795_348_800 }, process, "5-3"),
            "unlocked 1795348800 4711 123456 5-3\n"
        );
    }

    #[test]
    fn the_process_is_this_one() {
        let file = StateFile::beside(Path::new("/x/daemon.sock")).unwrap();
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let start = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap();
        assert_eq!(file.process.pid, std::process::id().cast_signed());
        assert_eq!(file.process.start.to_string(), start);
        assert_eq!(file.path, Path::new("/x/daemon.sock.state"));
    }

    #[test]
    fn a_second_more_or_less_is_no_change() {
        let until = |until| Shown::Unlocked { until };
        assert!(!until(100).differs(until(101)) && !until(101).differs(until(100)));
        assert!(until(100).differs(until(102)) && until(100).differs(Shown::Locked));
        assert!(!Shown::Locked.differs(Shown::Locked));
        assert!(Shown::Paused { until: 100 }.differs(until(100)));
        assert!(!Shown::Paused { until: 100 }.differs(Shown::Paused { until: 101 }));
    }

    #[test]
    fn it_is_replaced_as_a_whole_and_for_the_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::beside(&dir.path().join("daemon.sock")).unwrap();
        let read = || fs::read_to_string(&file.path).unwrap();
        assert!(file.write(Shown::Locked));
        assert_eq!(fs::metadata(&file.path).unwrap().mode() & 0o7777, 0o600);
        let (old, reader) = (read(), fs::File::open(&file.path).unwrap());
        assert!(file.write(Shown::Unlocked { until: 9 }));
        assert_eq!(io::read_to_string(reader).unwrap(), old, "whoever reads has the whole old one");
        assert!(old.starts_with("locked 0 ") && read().starts_with("unlocked 9 "));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing else is left but its mark");
        file.end();
        file.write(Shown::Locked);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing comes back after the end");
    }

    #[test]
    fn what_the_last_word_names_stands_as_long_as_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.sock.state");
        // Of one that was killed, and two that are something else.
        for name in ["77-9", "new.backup", "old"] {
            fs::write(with(&path, &format!(".{name}")), "").unwrap();
        }
        let file = StateFile::beside(&dir.path().join("daemon.sock")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        let mark = || {
            let line = fs::read_to_string(&path).unwrap();
            with(&path, &format!(".{}", line.trim_end().rsplit_once(' ').unwrap().1))
        };
        assert!(file.write(Shown::Locked));
        let first = mark();
        let standing = fs::metadata(&first).unwrap();
        assert_eq!((standing.len(), standing.mode() & 0o7777), (0, 0o600));
        let own = fs::metadata(format!("/proc/{}", std::process::id())).unwrap();
        assert!(own.modified().unwrap() <= standing.modified().unwrap(), "what a reader compares");
        assert!(file.write(Shown::Unlocked { until: 9 }));
        assert!(!first.exists() && mark().exists());
        // A line that cannot be written leaves none, and no mark.
        fs::create_dir(with(&path, ".new")).unwrap();
        let last = mark();
        assert!(!file.write(Shown::Locked) && !last.exists());
        fs::remove_dir(with(&path, ".new")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        // Nor does one whose mark is taken.
        fs::create_dir(with(&path, &format!(".{}-4", file.process.start))).unwrap();
        assert!(!file.write(Shown::Locked) && !path.exists());
        assert!(file.write(Shown::Locked) && mark().exists(), "control");
        file.end();
        assert!(!path.exists());
    }

    #[test]
    fn nobody_is_left_to_believe_a_line_once_the_next_one_is_there() {
        use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::beside(&dir.path().join("daemon.sock")).unwrap();
        assert!(file.write(Shown::Locked));
        let seen = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&seen, dir.path(), WatchFlags::DELETE | WatchFlags::MOVED_TO).unwrap();
        assert!(file.write(Shown::Unlocked { until: 9 }));
        let mut buffer = [std::mem::MaybeUninit::uninit(); 1024];
        let mut events = inotify::Reader::new(seen, &mut buffer);
        let mut next = || events.next().unwrap().events();
        assert_eq!([next(), next()], [ReadFlags::DELETE, ReadFlags::MOVED_TO], "its mark, then the line");
    }

    #[test]
    fn a_link_in_its_place_is_replaced_and_leads_nowhere() {
        let (dir, path) = place();
        let other = dir.path().join("other");
        fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        std::os::unix::fs::symlink(&other, with(&path, ".new")).unwrap();
        replace(&path, "locked 0 1 2\n").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn where_the_new_line_cannot_be_written_the_old_one_goes() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::beside(&dir.path().join("daemon.sock")).unwrap();
        assert!(file.write(Shown::Unlocked { until: 9 }) && file.failed().is_none());
        fs::create_dir(with(&file.path, ".new")).unwrap();
        assert!(!file.write(Shown::Locked) && file.failed().is_some());
        assert!(!file.path.exists());
        fs::remove_dir(with(&file.path, ".new")).unwrap();
        assert!(file.write(Shown::Locked) && file.failed().is_none());
        assert!(file.path.exists(), "control");
    }
}
