//! Which file systems are mounted where the daemon looks: whether a user serves the one that a file lies on.
//!
//! The table is read again only when the kernel says that it has changed (proc_pid_mounts(5): a poll says so once for
//! each open file).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Statx;

/// Whether the owner and the mode of a file are a user's word (fuse(4)). Told by the table of mounts, since
/// asking the file system asks that user.
pub fn serves_a_user(stat: &Statx) -> bool {
    static TABLE: Mutex<Option<Table>> = Mutex::new(None);
    // What a panic left is read anew.
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let device = (stat.stx_dev_major, stat.stx_dev_minor);
    match Table::now(table.take()) {
        Ok(now) => table.insert(now).is_a_users(stat.stx_mnt_id, device),
        // What cannot be told could be.
        Err(_) => true,
    }
}

/// The table, as it was when it was read last.
struct Table {
    file: File,
    text: String,
}

impl Table {
    /// As it is now: `former`, if nothing was mounted or unmounted since.
    fn now(former: Option<Self>) -> io::Result<Self> {
        let mut table = match former {
            Some(former) if !former.has_changed()? => return Ok(former),
            Some(former) => former,
            None => Self { file: File::open("/proc/self/mountinfo")?, text: String::new() },
        };
        let mut bytes = Vec::with_capacity(table.text.len().max(16 * 1024));
        table.file.seek(SeekFrom::Start(0))?;
        table.file.read_to_end(&mut bytes)?;
        table.text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(table)
    }

    /// Whether it is another one than when that was asked last, or it was opened.
    fn has_changed(&self) -> io::Result<bool> {
        let mut asked = [PollFd::new(&self.file, PollFlags::PRI)];
        rustix::io::retry_on_intr(|| poll(&mut asked, Some(&Timespec::default())))?;
        Ok(asked[0].revents().intersects(PollFlags::PRI | PollFlags::ERR))
    }

    fn is_a_users(&self, mount: u64, device: (u32, u32)) -> bool {
        file_system(&self.text, mount, device).is_none_or(|kind| kind.starts_with("fuse"))
    }
}

/// The kind of file system of a mount (proc_pid_mountinfo(5)). A mount of another mount namespace has another
/// id there, and is told by its device where that is mounted here too.
fn file_system(mounts: &str, mount: u64, (major, minor): (u32, u32)) -> Option<&str> {
    let device = format!("{major}:{minor}");
    let kind_of = |fits: &dyn Fn(&str, &str) -> bool| {
        let line = mounts.lines().find(|line| {
            let mut fields = line.split(' ');
            let (id, _, device) = (fields.next(), fields.next(), fields.next());
            id.zip(device).is_some_and(|(id, device)| fits(id, device))
        })?;
        line.split_once(" - ")?.1.split(' ').next()
    };
    kind_of(&|id, _| id.parse() == Ok(mount)).or_else(|| kind_of(&|_, found| found == device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_that_users_serve_are_told() {
        let mounts = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                      40 22 0:35 / /home/u/a\\040-\\040b rw,nosuid - fuse.sshfs host:/ rw,user_id=1000\n\
                      41 22 0:36 / /mnt rw shared:2 master:1 - fuseblk /dev/sdb1 rw\n";
        let elsewhere = (9, 9);
        assert_eq!(file_system(mounts, 22, elsewhere), Some("ext4"));
        assert_eq!(file_system(mounts, 40, (8, 1)), Some("fuse.sshfs"));
        assert_eq!(file_system(mounts, 41, elsewhere), Some("fuseblk"));
        assert_eq!(file_system(mounts, 2, elsewhere), None);
        // Of another mount namespace.
        assert_eq!(file_system(mounts, 2, (8, 1)), Some("ext4"));
        assert_eq!(file_system(mounts, 2, (0, 35)), Some("fuse.sshfs"));
    }

    #[test]
    fn the_table_is_read_again_when_it_has_changed_and_not_else() {
        // Others may mount something just then.
        let kept = (0..100).find_map(|_| {
            let first = Table::now(None).unwrap();
            let same = first.text == std::fs::read_to_string("/proc/self/mountinfo").unwrap();
            let kept = Table::now(Some(Table { text: "kept".into(), ..first })).unwrap();
            (same && kept.text == "kept").then_some(kept)
        });
        let kept = kept.expect("what has not changed is not read again");
        if !rustix::process::geteuid().is_root() {
            eprintln!("not root: nothing can be mounted, and the change was not tested");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let mount = |program: &str, args: &[&str]| {
            let done = std::process::Command::new(program).args(args).arg(dir.path()).status();
            assert!(done.unwrap().success());
        };
        mount("mount", &["-t", "tmpfs", "none"]);
        let stat = |path: &std::path::Path| {
            use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
            statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS | StatxFlags::MNT_ID).unwrap()
        };
        let there = stat(dir.path());
        let device = (there.stx_dev_major, there.stx_dev_minor);
        assert!(kept.is_a_users(there.stx_mnt_id, device), "control: not in what is kept");
        let now = Table::now(Some(kept)).unwrap();
        assert!(!now.is_a_users(there.stx_mnt_id, device), "tmpfs is the kernel's");
        assert!(!serves_a_user(&there));
        mount("umount", &[]);
    }
}
