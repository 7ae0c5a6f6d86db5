//! Where a script that has a handle finds `ctl`: no system looks into the home of a user who installed it
//! there. Its directory is worth looking into only while no other user can put programs into it.

use std::env::current_exe;
use std::fs::symlink_metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::interpreter::PATH;

/// Of group and others (inode(7)). A group that is granted more by a list shows here as well (acl(5)).
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// The directory of the running program, to be looked into when all of [`PATH`] was; nothing if that has it,
/// or if somebody other than root and this user can write to it or exchange it.
pub(super) fn of_ctl() -> Option<PathBuf> {
    let directory = current_exe().ok()?.parent()?.to_owned();
    let known = PATH.split(':').any(|place| Path::new(place) == directory);
    let fits = !directory.as_os_str().as_bytes().contains(&b':');
    (!known && fits && is_closed(&directory, geteuid().as_raw())).then_some(directory)
}

/// Whether only root and `own` can put a file into it, or another directory in its place.
fn is_closed(directory: &Path, own: u32) -> bool {
    directory.ancestors().all(|place| {
        symlink_metadata(place).is_ok_and(|stat| {
            let theirs = stat.uid() == 0 || stat.uid() == own;
            // What stands in a sticky directory can be exchanged by its owner only (unlink(2)).
            let shared = stat.mode() & OTHERS_WRITE != 0 && (place == directory || stat.mode() & STICKY == 0);
            stat.is_dir() && theirs && !shared
        })
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn others_can_put_nothing_there() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        let (above, place) = (top.join("a"), top.join("a/bin"));
        fs::create_dir_all(&place).unwrap();
        let own = geteuid().as_raw();
        let judged = |above_mode: u32, mode: u32| {
            fs::set_permissions(&above, Permissions::from_mode(above_mode)).unwrap();
            fs::set_permissions(&place, Permissions::from_mode(mode)).unwrap();
            is_closed(&place, own)
        };
        assert!(judged(0o755, 0o755) && judged(0o1777, 0o755), "control");
        for (above, mode) in [(0o755, 0o775), (0o755, 0o757), (0o755, 0o1777), (0o775, 0o755), (0o757, 0o755)]
        {
            assert!(!judged(above, mode), "{above:o} {mode:o}");
        }
        assert!(judged(0o755, 0o755), "control");
        // Another's, a link, and what is not there.
        let is_root = own == 0;
        assert!(is_root || !is_closed(&place, own + 1));
        symlink(&place, top.join("link")).unwrap();
        assert!(!is_closed(&top.join("link"), own));
        assert!(!is_closed(&top.join("none"), own));
    }
}
