//! The pages of the program's own file that lie in memory for us.

use rustix::io::Errno;
use rustix::mm::{Advice, madvise};
use std::io;
use std::ops::Range;
use std::ptr::{addr_of, without_provenance_mut};

unsafe extern "C" {
    /// Where the program begins in memory, and the end of its code: made by the linker where somebody names them
    /// (end(3)).
    safe static __executable_start: u8;
    safe static etext: u8;
}

/// The smallest page of any machine that we are built for, in bytes.
const PAGE: usize = 4096;

/// How much of the program the kernel is to map at once, in bytes.
const PIECE: usize = 16 * 1024;

/// Lets go of the pages of this program's code and constants that were used until now; what is needed is taken from
/// the page cache again. For a process that has just done what it does once, and will wait: the kernel would take them
/// too, but only when memory is short.
///
/// # Errors
/// What madvise(2) says.
pub fn let_go_of_code() -> io::Result<()> {
    let code = code();
    // SAFETY: the range is mapped from the program's file, private and never writable (there are no relocations in
    // code, which the linker would have to ask for), so that each page of it is read from there again as it was.
    let done = unsafe { madvise(without_provenance_mut(code.start), code.len(), Advice::LinuxDontNeed) };
    but_for_holes(done)
}

/// Has less of the program in memory that lies only beside what is used. For each page that is touched the kernel maps
/// what the page cache has of the 64 KiB around it, but never beyond the mapping that it lies in: so code and
/// constants become mappings of 16 KiB, told apart by every other one being left out of core dumps. For a process that
/// stays, since each costs the kernel some 200 bytes, and no memory of ours. They stay divided, and calling this again
/// does nothing. Where the process has too many mappings for it, what is left stays as it is.
///
/// # Errors
/// What madvise(2) says.
pub fn divide_code() -> io::Result<()> {
    let code = code();
    let piece = PIECE.max(rustix::param::page_size());
    for at in (code.start.next_multiple_of(piece)..code.end).step_by(2 * piece) {
        let length = piece.min(code.end - at);
        // SAFETY: what a core dump would hold is all that this changes; nothing in memory is.
        but_for_holes(unsafe { madvise(without_provenance_mut(at), length, Advice::LinuxDontDump) })?;
    }
    Ok(())
}

/// A linker may leave a page between constants and code that nobody maps. The kernel goes on behind it, and says so
/// (madvise(2), ENOMEM).
fn but_for_holes(done: Result<(), Errno>) -> io::Result<()> {
    match done {
        Err(Errno::NOMEM) => Ok(()),
        done => Ok(done?),
    }
}

/// Where code and constants lie, in whole pages.
fn code() -> Range<usize> {
    let size = rustix::param::page_size().max(PAGE);
    let start = addr_of!(__executable_start).addr() & !(size - 1);
    // The page in which the code ends belongs to it alone: data begins on another, which is writable.
    start..addr_of!(etext).addr() & !(size - 1)
}

#[cfg(test)]
mod tests {
    use super::{PIECE, code, divide_code, etext, let_go_of_code};
    use crate::testing::alone;
    use std::hint::black_box;
    use std::ptr::addr_of;

    /// Resident pages of the mapping that holds our code, in KiB (proc_pid_smaps(5)).
    fn resident() -> u64 {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let at = addr_of!(etext).addr() - 1;
        let holds = |line: &&str| {
            let Some((start, rest)) = line.split_once('-') else { return false };
            let end = rest.split(' ').next().unwrap_or_default();
            let address = |text| usize::from_str_radix(text, 16);
            address(start).is_ok_and(|start| start <= at) && address(end).is_ok_and(|end| at < end)
        };
        let mut lines = smaps.lines();
        lines.by_ref().find(holds).unwrap();
        let line = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    #[test]
    fn what_was_used_is_let_go_and_comes_back() {
        alone("code::tests::what_was_used_is_let_go_and_comes_back", || {
            // A good part of the program, once.
            black_box(std::process::Command::new("/bin/true").status().unwrap());
            black_box(format!("{:?} {:e}", std::time::SystemTime::now(), black_box(1.5)));
            let (before, text) = (resident(), "a constant");
            let_go_of_code().unwrap();
            let after = resident();
            assert!(after < before, "{after} KiB of {before} stayed");
            assert_eq!(black_box(text), "a constant");
            black_box(std::process::Command::new("/bin/true").status().unwrap());
            assert!(resident() > after, "it comes back as it is used");
        });
    }
    /// The mappings of code and constants.
    fn mappings() -> Vec<std::ops::Range<usize>> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let address = |text: &str| usize::from_str_radix(text, 16).unwrap();
        let range = |line: &str| {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            address(start)..address(end)
        };
        maps.lines().map(range).filter(|range| range.start < code().end && code().start < range.end).collect()
    }

    #[test]
    fn little_is_mapped_beside_what_is_used() {
        alone("code::tests::little_is_mapped_beside_what_is_used", || {
            assert!(mappings().iter().any(|one| one.len() > 64 * 1024), "control: {:x?}", mappings());
            divide_code().unwrap();
            let divided = mappings();
            let piece = PIECE.max(rustix::param::page_size());
            assert!(divided.iter().all(|one| one.len() < 2 * piece), "{divided:x?}");
            divide_code().unwrap();
            let_go_of_code().unwrap();
            assert_eq!(mappings(), divided, "nothing but division, and that once");
            black_box(std::process::Command::new("/bin/true").status().unwrap());
        });
    }
}
