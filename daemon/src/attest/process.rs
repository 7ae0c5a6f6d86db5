//! What the kernel says of one process in `/proc/PID/stat`: open to everybody, also of processes that
//! hide themselves, and read without waiting for the process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use crate::machine;

/// A fork that never executed anything (`PF_FORKNOEXEC`, include/linux/sched.h).
const FORKED: u32 = 0x40;
/// The major number of pseudo-terminals (Documentation/admin-guide/devices.txt).
const PTS: u32 = 136;
/// The major number of the machine's own terminals.
const CONSOLE: u32 = 4;

/// Where code and stack lie: under address space randomisation no two executions agree
/// (proc_pid_stat(5), fields startcode, endcode, startstack). All of them say nothing of a process
/// that hides itself from us: then they are [`HIDDEN`].
pub type Layout = [u64; 3];

/// What the kernel shows of the layout of a process that it hides from us.
pub const HIDDEN: Layout = [1, 1, 0];

/// proc_pid_stat(5), as far as it tells who a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The process.
    pub pid: i32,
    /// Its name, which it can change; what is not printable is shown as `?`.
    pub name: String,
    /// What started it, or has taken it over; 0 if that is outside our pid namespace.
    pub parent: i32,
    /// The session that it is in; 0 if its leader is outside our pid namespace.
    pub session: i32,
    /// Its terminal, as the kernel numbers it; 0 without one.
    pub tty: u32,
    /// Whether it is a fork that never executed anything: it runs its parent's program.
    pub forked: bool,
    /// When it started, in clock ticks since the machine did.
    pub start: u64,
    /// Where code and stack lie.
    pub layout: Layout,
    /// Where the strings of its environment end: a fixed place without randomisation.
    env_end: u64,
}

/// Where [`Stat`] is read, open: each reading says what is then, and opening costs as much again as reading.
#[derive(Debug)]
pub struct StatFile(OwnedFd);

impl StatFile {
    /// Opens it through an open `/proc/PID` directory.
    ///
    /// # Errors
    /// `ESRCH` or `ENOENT` of a process that is gone.
    pub fn open(dir: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(dir, "stat", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// Reads it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn read(&self) -> io::Result<Stat> {
        let mut text = [0; 1024];
        let len = rustix::io::pread(&self.0, &mut text, 0)?;
        Stat::parse(&text[..len]).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

impl Stat {
    /// Reads it through an open `/proc/PID` directory.
    ///
    /// # Errors
    /// As [`StatFile::open`].
    pub fn read(dir: BorrowedFd<'_>) -> io::Result<Self> {
        StatFile::open(dir)?.read()
    }

    fn parse(stat: &[u8]) -> Option<Self> {
        // The second field is the program's name in brackets, and may hold anything, brackets too.
        let open = stat.iter().position(|&byte| byte == b'(')?;
        let close = stat.iter().rposition(|&byte| byte == b')')?;
        let name = stat.get(open + 1..close)?;
        let mut fields = std::str::from_utf8(&stat[close + 1..]).ok()?.split_ascii_whitespace();
        // As proc_pid_stat(5) counts them, in their order: the first behind the name is the third.
        let mut read = 2;
        let mut field = |number: usize| fields.nth(number - std::mem::replace(&mut read, number) - 1);
        Some(Self {
            pid: std::str::from_utf8(&stat[..open]).ok()?.trim().parse().ok()?,
            name: printable(name),
            parent: field(4)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            tty: field(7)?.parse::<i32>().ok()?.cast_unsigned(),
            forked: field(9)?.parse::<u32>().ok()? & FORKED != 0,
            start: field(22)?.parse().ok()?,
            layout: [field(26)?.parse().ok()?, field(27)?.parse().ok()?, field(28)?.parse().ok()?],
            env_end: field(51)?.parse().ok()?,
        })
    }

    /// Whether it runs without address space randomisation (`setarch -R`): then its layout is that of
    /// every other start of the program. The strings of arguments and environment lie at the very top
    /// of the stack, and with randomisation the chance that the top is where it is without is one in
    /// millions. Always `false` where this is not known of the architecture, and of a hidden process.
    /// Where the whole machine does without, nobody is told apart by it, and the answer is no.
    pub fn is_unrandomised(&self) -> bool {
        const TOP: Option<u64> = if cfg!(target_arch = "x86_64") { Some(0x7fff_ffff_f000) } else { None };
        // Behind the environment there is only the path that was executed, and a null pointer.
        TOP.is_some_and(|top| self.env_end <= top && top - self.env_end <= 4096 + 16) && machine::randomises()
    }

    /// Its terminal, as people know it; empty without one.
    pub fn tty_name(&self) -> String {
        tty_name(self.tty)
    }
}

/// A terminal's number, as people know it; empty without one.
pub fn tty_name(tty: u32) -> String {
    // proc_pid_stat(5): the minor number is in bits 31 to 20 and 7 to 0, the major one in 15 to 8.
    let (major, minor) = ((tty >> 8) & 0xff, (tty & 0xff) | ((tty >> 12) & 0xf_ff00));
    match major {
        0 => String::new(),
        PTS => format!("pts/{minor}"),
        CONSOLE if minor < 64 => format!("tty{minor}"),
        _ => format!("tty {major}:{minor}"),
    }
}

/// One line of `/proc/PID/status` (proc_pid_status(5)), without its name.
///
/// # Errors
/// `ESRCH` of a process that is gone; `InvalidData` if there is no such line.
pub fn status(dir: BorrowedFd<'_>, name: &str) -> io::Result<String> {
    let file = rustix::fs::openat(dir, "status", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = [0; 4096];
    let len = rustix::io::read(&file, &mut text)?;
    let lines = text[..len].split(|&byte| byte == b'\n');
    let mut lines = lines.filter_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b":"));
    let rest = lines.next().ok_or(io::ErrorKind::InvalidData)?;
    Ok(String::from_utf8_lossy(rest).trim().to_owned())
}

/// A process's directory, for reading through it.
///
/// # Errors
/// `ENOENT` if there is no such process.
pub fn directory(pid: i32) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty())?)
}

/// The process that started this one, as long as both are there; `None` for the first of all, and
/// for one whose parent our pid namespace does not show. `still` says what the child's parent is by now.
///
/// # Errors
/// `ESRCH` if either went away while it was looked at.
pub fn parent(child: &Stat, still: impl FnOnce() -> io::Result<i32>) -> io::Result<Option<(OwnedFd, Stat)>> {
    if child.parent <= 0 {
        return Ok(None);
    }
    let above = directory(child.parent)?;
    let parent = Stat::read(above.as_fd())?;
    // As long as it is the child's parent its number is not given to another, and a parent is never
    // younger than its child.
    let same = still()? == child.parent && parent.start <= child.start;
    if same { Ok(Some((above, parent))) } else { Err(rustix::io::Errno::SRCH.into()) }
}

fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn line(name: &str) -> String {
        let fields: Vec<String> = (3..=52).map(|n| if n == 3 { "S".into() } else { n.to_string() }).collect();
        format!("7 ({name}) {}", fields.join(" "))
    }

    #[test]
    fn it_is_read_behind_any_name() {
        for name in ["cat", "a b", "a) 1 2 (3", "((("] {
            let stat = Stat::parse(line(name).as_bytes()).unwrap();
            assert_eq!((stat.pid, stat.parent, stat.session, stat.tty), (7, 4, 6, 7), "{name}");
            assert_eq!((stat.start, stat.layout, stat.env_end), (22, [26, 27, 28], 51), "{name}");
            assert_eq!(stat.name, name);
        }
        assert_eq!(Stat::parse(b"7 (cat) S 1 2"), None);
        assert_eq!(Stat::parse(b""), None);
        assert_eq!(Stat::parse(line("a\nb").as_bytes()).unwrap().name, "a?b");
    }

    #[test]
    fn forks_are_told_from_what_was_executed() {
        let own = Stat::read(directory(std::process::id().cast_signed()).unwrap().as_fd()).unwrap();
        assert!(!own.forked);
        // A program, and the fork of a shell that runs it.
        let script = "( set -- $(cat /proc/self/stat); cat /proc/self/stat /proc/$4/stat; : ); :";
        let told = Command::new("sh").args(["-c", script]).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        let stats: Vec<Stat> = told.lines().map(|line| Stat::parse(line.as_bytes()).unwrap()).collect();
        assert_eq!(stats.iter().map(|stat| stat.forked).collect::<Vec<_>>(), [false, true], "{told}");
    }

    #[test]
    fn a_start_without_randomisation_shows() {
        let stat = |program: &str, args: &[&str]| {
            let told = Command::new(program).args(args).output().unwrap();
            Stat::parse(&told.stdout).unwrap_or_else(|| panic!("{told:?}"))
        };
        assert!(!stat("cat", &["/proc/self/stat"]).is_unrandomised(), "control");
        if cfg!(target_arch = "x86_64") {
            assert!(stat("setarch", &["-R", "cat", "/proc/self/stat"]).is_unrandomised());
        }
    }

    #[test]
    fn terminals_have_their_names() {
        let pts = |n: u32| (PTS << 8) | (n & 0xff) | ((n & 0xf_ff00) << 12);
        assert_eq!(tty_name(pts(3)), "pts/3");
        assert_eq!(tty_name(pts(1000)), "pts/1000");
        assert_eq!(tty_name((CONSOLE << 8) | 2), "tty2");
        assert_eq!(tty_name(0), "");
    }

    #[test]
    fn the_parent_is_found() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let dir = directory(child.id().cast_signed()).unwrap();
        let stat = Stat::read(dir.as_fd()).unwrap();
        let still = || Ok(Stat::read(dir.as_fd()).unwrap().parent);
        let (_, parent) = super::parent(&stat, still).unwrap().unwrap();
        assert_eq!(parent.pid, std::process::id().cast_signed());
        let strange = Stat { parent: 1, ..stat };
        assert!(super::parent(&strange, still).is_err(), "it is not what the child says");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
