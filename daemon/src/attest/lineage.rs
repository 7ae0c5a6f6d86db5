//! Where a process comes from: what started it, and what started that. A request of `ctl` is judged
//! by this: not `ctl` asks, but whoever ran it.
//!
//! Who runs a program decides what its parent is; what a parent *executed* it cannot hide. A fork
//! that never executed anything runs its parent's own program, so a line of such forks from `ctl` up
//! to a shell means that this shell ran it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use glassdome_sys::{AddressSpace, pidfd_alive, pidfd_info};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::process::{self, Stat, StatFile};
use super::program::{self, Want};
use super::{Exe, linux};

/// How far up is looked.
pub const DEPTH: usize = glassdome_proto::limits::CHAIN;

/// Programs that start another one in their place or for a while, and are not who asked for it.
const LAUNCHERS: [&str; 5] = ["env", "timeout", "nice", "nohup", "time"];

/// One process of a line.
#[derive(Debug)]
pub struct Member {
    /// Its directory under `/proc`, which dies with it.
    pub dir: OwnedFd,
    /// What the kernel says of it to everybody.
    pub stat: Stat,
    /// A handle on it, where there is one already: by that the kernel says at once who its parent is.
    pidfd: Option<Arc<OwnedFd>>,
}

impl Member {
    /// The process of that number.
    ///
    /// # Errors
    /// `ENOENT` or `ESRCH` if there is none.
    pub fn of(pid: i32) -> io::Result<Self> {
        let dir = process::directory(pid)?;
        let stat = Stat::read(dir.as_fd())?;
        Ok(Self { dir, stat, pidfd: None })
    }

    /// The process behind a pidfd, with what was read of it.
    pub fn held(dir: OwnedFd, stat: Stat, pidfd: Arc<OwnedFd>) -> Self {
        Self { dir, stat, pidfd: Some(pidfd) }
    }

    /// What started it; `None` at the top, or where it cannot be seen any more.
    pub fn parent(&self) -> Option<Self> {
        // One that went away meanwhile has left its children to somebody else: there the line ends.
        let (dir, stat) = process::parent(&self.stat, || self.parent_now()).ok().flatten()?;
        Some(Self { dir, stat, pidfd: None })
    }

    fn parent_now(&self) -> io::Result<i32> {
        self.parent_at_once()?.map_or_else(|| Ok(Stat::read(self.dir.as_fd())?.parent), Ok)
    }

    /// The number of its parent, where the kernel says that without a look at any file.
    ///
    /// # Errors
    /// `ESRCH` if it is gone.
    pub fn parent_at_once(&self) -> io::Result<Option<i32>> {
        let told = self.pidfd.as_ref().map(|pidfd| pidfd_info(pidfd.as_fd())).transpose()?.flatten();
        Ok(told.map(|told| told.parent))
    }

    /// The file that it executed, if it can be seen: not of other users' processes, nor of those that
    /// hide themselves.
    pub fn exe(&self) -> Option<Exe> {
        linux::executable(self.dir.as_fd()).ok()
    }

    /// Whose it is, if that can be told.
    pub fn uid(&self) -> Option<u32> {
        let line = process::status(self.dir.as_fd(), "Uid").ok()?;
        line.split_ascii_whitespace().next()?.parse().ok()
    }

    /// Whether a debugger or the like holds it.
    ///
    /// # Errors
    /// What reading that gives.
    pub fn is_traced(&self) -> io::Result<bool> {
        Ok(process::status(self.dir.as_fd(), "TracerPid")? != "0")
    }

    /// Whether it only starts others. By its name, of a file that root alone can change: else any
    /// program could call itself so, and pass for whoever started it.
    pub fn is_launcher(&self) -> bool {
        let want = Want { exe_digest: false, script: false };
        let named = self.exe().is_some_and(|exe| LAUNCHERS.contains(&file_name(&exe.path)));
        named
            && program::read(self.dir.as_fd(), want, Instant::now()).is_ok_and(|read| !read.exe.writable)
            && self.is_in_our_namespaces()
    }

    /// Whether it is in the daemon's own user and pid namespaces. In another user namespace a process can
    /// have the kernel show any file as the one that it executes (prctl(2), `PR_SET_MM_MAP`), and there
    /// is no way back: asked after the file was read, it holds for what was read.
    pub fn is_in_our_namespaces(&self) -> bool {
        linux::namespaces(self.stat.pid, self.dir.as_fd()).is_ok()
    }

    /// Its parent, if it runs the very program of that: forked off, and nothing executed since. An orphan
    /// is handed to somebody else, whose program it does not run: then code and stack lie elsewhere.
    pub fn forked_from(&self) -> Option<Self> {
        // Most have executed something, and nothing above them is looked at.
        let parent = self.stat.forked.then(|| self.parent())?;
        parent.filter(|parent| self.stat.layout == parent.stat.layout)
    }
}

/// From a process upwards, itself first.
pub fn line(pid: i32) -> impl Iterator<Item = Member> {
    std::iter::successors(Member::of(pid).ok(), Member::parent).take(DEPTH)
}

/// Who ran a program: the nearest above it that executed something and does not only start others. A fork
/// that did not is its parent's program, and is passed over for it.
pub fn ran(client: &Member) -> Option<Member> {
    let mut at = client.parent()?;
    for _ in 0..DEPTH {
        let above = at.forked_from();
        at = match above {
            Some(above) => above,
            None if at.is_launcher() => at.parent()?,
            None => return Some(at),
        };
    }
    None
}

/// Handles on a process by which it is told whether it is still there, as the program it was.
#[derive(Debug)]
pub struct Held {
    pidfd: OwnedFd,
    space: AddressSpace,
    dir: OwnedFd,
    file: StatFile,
    stat: Stat,
    /// Device and inode number of its executable.
    exe: (u64, u64),
    /// When it was last seen alive, in nanoseconds since the machine started.
    seen: AtomicU64,
    /// When it was last compared with what it was, in the same.
    compared: AtomicU64,
}

/// For how long having been seen alive answers for one that is asked about again: judging one request asks
/// several times. What it ran before its end may be served for so long after it, and nothing that it runs then:
/// a new connection is judged without this.
const SEEN: Duration = Duration::from_micros(50);

/// So often is what an open connection is served for compared with what it was. In between its address space answers
/// for it, which others can keep past its end.
const COMPARED: Duration = Duration::from_millis(100);

impl Held {
    /// Takes hold of a process.
    ///
    /// # Errors
    /// `EACCES` or `EPERM` of one that hides itself or belongs to somebody else, `ESRCH` of one that is
    /// gone.
    pub fn take(member: &Member) -> io::Result<Self> {
        let pid = Pid::from_raw(member.stat.pid).ok_or(io::ErrorKind::NotFound)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let space = AddressSpace::open(member.dir.as_fd())?;
        linux::namespaces(member.stat.pid, member.dir.as_fd()).map_err(io::Error::other)?;
        let dir = member.dir.try_clone()?;
        let file = StatFile::open(dir.as_fd())?;
        let exe = linux::file_id(dir.as_fd(), "exe")?;
        // Read through the directory that is older than the pidfd: if that still answers, both are of
        // one process.
        let stat = file.read()?;
        let (seen, compared) = (AtomicU64::new(0), AtomicU64::new(0));
        let held = Self { pidfd, space, dir, file, stat, exe, seen, compared };
        if held.is_still(&member.stat) && held.alive() {
            Ok(held)
        } else {
            Err(rustix::io::Errno::SRCH.into())
        }
    }

    /// Whether it is still there, and has executed nothing since.
    pub fn alive(&self) -> bool {
        self.is_as_it_was() && self.may_be_alive()
    }

    /// Its address space answers, which others can keep, and it has not ended: one call each.
    fn may_be_alive(&self) -> bool {
        self.space.alive() && pidfd_alive(self.pidfd.as_fd())
    }

    /// Whether executable and layout are what they were. One that hides itself from us is not: what it executed since
    /// could, too.
    fn is_as_it_was(&self) -> bool {
        self.file.read().is_ok_and(|now| self.is_still(&now))
            && linux::file_id(self.dir.as_fd(), "exe").is_ok_and(|exe| exe == self.exe)
    }

    /// As [`Self::alive`] for what is served on a connection that was judged, unless it was seen alive just now; `boot`
    /// is the time since the machine started, read before this.
    pub fn alive_at(&self, boot: Duration) -> bool {
        if within(&self.seen, boot, SEEN) {
            return true;
        }
        if !within(&self.compared, boot, COMPARED) {
            return self.alive_now(boot);
        }
        let alive = self.may_be_alive();
        note(&self.seen, boot, alive);
        alive
    }

    /// As [`Self::alive`], which answers for [`Self::alive_at`] then.
    pub fn alive_now(&self, boot: Duration) -> bool {
        let alive = self.alive();
        note(&self.seen, boot, alive);
        note(&self.compared, boot, alive);
        alive
    }

    /// What the kernel said of it when it was taken hold of.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Whether this is the same process.
    pub fn is(&self, stat: &Stat) -> bool {
        self.stat.pid == stat.pid && self.stat.start == stat.start
    }

    /// Whether this is the same process, and has executed nothing in between, as far as that is seen from where its
    /// code and stack lie.
    pub fn is_still(&self, stat: &Stat) -> bool {
        self.is(stat) && self.stat.layout == stat.layout
    }
}

/// Whether that was noted, and less than `age` before `boot`.
fn within(noted: &AtomicU64, boot: Duration, age: Duration) -> bool {
    let noted = Duration::from_nanos(noted.load(Relaxed));
    !noted.is_zero() && boot.checked_sub(noted).is_some_and(|ago| ago < age)
}

fn note(at: &AtomicU64, boot: Duration, alive: bool) {
    at.store(if alive { u64::try_from(boot.as_nanos()).unwrap_or(0) } else { 0 }, Relaxed);
}

/// The last part of a path, as the kernel tells it: of a file that was deleted since, with `(deleted)` behind it. A
/// file can be called that, too, so it is not taken away where a person reads it.
pub fn told_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// The last part of a path, also of a file that was deleted since.
pub fn file_name(path: &str) -> &str {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A process that has executed its program and waits in it. Before that it may have the program's file
    /// and not yet its layout: starting one returns in between.
    pub(crate) fn begun(pid: i32) -> Member {
        let waits = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('S')
        };
        // What is read in between is of one that waits, and has all of its layout.
        let look =
            || waits().then(|| Member::of(pid).unwrap()).filter(|member| !member.stat.forked && waits());
        std::iter::repeat_with(look).find_map(|member| member).unwrap()
    }

    /// A program that starts `sleep` and stays: the sleeper, and the program.
    fn started_by(program: &Path) -> (Child, Member) {
        let child = Command::new(program).args(["100", "sleep", "100"]).stdin(Stdio::null()).spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        let sleeper = || std::fs::read_to_string(&children).unwrap().trim().parse().ok();
        let pid = std::iter::repeat_with(sleeper).find_map(|pid| pid).unwrap();
        (child, begun(pid))
    }

    #[test]
    fn only_a_program_of_roots_is_a_launcher() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("timeout");
        let copied =
            Command::new("sh").args(["-c", "cp /usr/bin/timeout $0 && chmod 777 $0"]).arg(&copy).status();
        assert!(copied.unwrap().success());
        for (program, expected) in [(Path::new("/usr/bin/timeout"), true), (&copy, false)] {
            let (mut child, sleeper) = started_by(program);
            assert_eq!(sleeper.parent().unwrap().is_launcher(), expected, "{}", program.display());
            assert!(!sleeper.is_launcher());
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_line_goes_up_to_whoever_started_it() {
        let own = std::process::id().cast_signed();
        let (mut child, sleeper) = started_by(Path::new("/usr/bin/timeout"));
        let pids: Vec<i32> = line(sleeper.stat.pid).take(3).map(|member| member.stat.pid).collect();
        assert_eq!(pids, [sleeper.stat.pid, child.id().cast_signed(), own]);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_is_held_is_seen_to_end() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let member = begun(child.id().cast_signed());
        let held = Held::take(&member).unwrap();
        assert!(held.alive() && held.is(&member.stat));
        let seen = Duration::from_secs(5);
        assert!(held.alive_at(seen));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!held.alive());
        assert!(held.alive_at(seen + SEEN - Duration::from_nanos(1)), "it was just seen");
        assert!(!held.alive_at(seen + SEEN));
        assert!(!held.alive_at(seen), "what was seen to end has ended");
        assert!(Held::take(&member).is_err());
    }

    #[test]
    fn what_executes_another_program_is_not_what_was_held() {
        let mut child = Command::new("sh")
            .args(["-c", "read line; exec sleep 100"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        let held = Held::take(&begun(pid)).unwrap();
        assert!(held.is_as_it_was() && held.alive(), "control");
        drop(child.stdin.take());
        let executed = || Member::of(pid).unwrap().exe().is_some_and(|exe| exe.path.contains("sleep"));
        while !executed() {}
        let now = begun(pid).stat;
        assert!(held.is(&now) && !held.is_still(&now), "the same process, at other places");
        // Whatever the handle on its address space says.
        assert!(!held.is_as_it_was());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn an_open_connection_is_compared_again_and_again() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let mut held = Held::take(&begun(child.id().cast_signed())).unwrap();
        let at = Duration::from_secs(5);
        assert!(held.alive_at(at));
        // As if it had executed something, and somebody kept its address space.
        held.stat.layout[0] ^= 4096;
        assert!(held.alive_at(at + COMPARED / 2), "it was compared not long ago");
        assert!(!held.alive_at(at + COMPARED));
        assert!(!held.alive_at(at), "what was seen to be another is another");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn names_of_files() {
        assert_eq!(file_name("/usr/bin/env"), "env");
        assert_eq!(file_name("/usr/bin/env (deleted)"), "env");
        assert_eq!(file_name("/"), "");
    }
}
