//! The pages of the program's own file that lie in memory for us.

use rustix::mm::{Advice, madvise};
use std::io;
use std::ptr::{addr_of, without_provenance_mut};

unsafe extern "C" {
    /// Where the program begins in memory, and the end of its code: made by the linker where somebody names them
    /// (end(3)).
    safe static __executable_start: u8;
    safe static etext: u8;
}

/// The smallest page of any machine that we are built for, in bytes.
const PAGE: usize = 4096;

/// Lets go of the pages of this program's code and constants that were used until now; what is needed is taken from
/// the page cache again, sixteen pages at a time. For a process that has just done what it does once, and will wait:
/// the kernel would take them too, but only when memory is short.
///
/// # Errors
/// What madvise(2) says.
pub fn let_go_of_code() -> io::Result<()> {
    let size = rustix::param::page_size().max(PAGE);
    let start = addr_of!(__executable_start).addr() & !(size - 1);
    // The page in which the code ends belongs to it alone: data begins on another, which is writable.
    let end = addr_of!(etext).addr() & !(size - 1);
    // SAFETY: the range is mapped from the program's file, private and never writable (there are no relocations in
    // code, which the linker would have to ask for), so that each page of it is read from there again as it was.
    unsafe { madvise(without_provenance_mut(start), end - start, Advice::LinuxDontNeed)? };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{etext, let_go_of_code};
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
}
