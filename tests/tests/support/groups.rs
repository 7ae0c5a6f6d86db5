//! Control groups of version 2, as the system's manager makes them for its units.

use std::fs;
use std::path::{Path, PathBuf};

/// One of them. It goes with the test.
pub struct Group(PathBuf);

impl Group {
    /// The group of a unit; none where they cannot be made.
    pub fn new(unit: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc is mounted");
        let top = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let place = fields.next()?;
            (fields.next()? == "cgroup2").then_some(place)
        })?;
        let group = Path::new(top).join("system.slice").join(unit);
        fs::create_dir_all(&group).ok()?;
        Some(Self(group))
    }

    /// The file by which processes are put into it.
    pub fn procs(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }

    /// Puts a process into it.
    pub fn take(&self, pid: u32) {
        fs::write(self.procs(), pid.to_string()).expect("root moves any process");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Empty by then, or the machine's own.
        fs::remove_dir(&self.0).ok();
    }
}
