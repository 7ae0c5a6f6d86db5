//! One core for two processes. A round trip between two idle cores measures how long the scheduler
//! takes to wake a core; on one core it measures the work.

use std::fs;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::Error;

/// The cores of this process before anything was pinned, by number.
pub(crate) fn ours() -> Result<Vec<usize>, Error> {
    let set = sched_getaffinity(None).map_err(Error::system("read our cores"))?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// Threads on one core each, for as long as this lives.
pub(crate) struct Pinned {
    before: CpuSet,
    pids: Vec<u32>,
}

impl Pinned {
    /// Puts this thread and all threads of `pids` on the first of our cores.
    pub(crate) fn together(pids: &[u32]) -> Result<Self, Error> {
        let first = ours()?[0];
        let places: Vec<_> = pids.iter().map(|&pid| (pid, first)).collect();
        Self::apart(first, &places)
    }

    /// Puts this thread on the core `here`, and all threads of each process on its own.
    pub(crate) fn apart(here: usize, places: &[(u32, usize)]) -> Result<Self, Error> {
        let before = sched_getaffinity(None).map_err(Error::system("read our cores"))?;
        let pinned = Self { before, pids: places.iter().map(|(pid, _)| *pid).collect() };
        for &(pid, core) in places {
            put(pid, &only(core))?;
        }
        sched_setaffinity(None, &only(here)).map_err(Error::system("pin ourselves"))?;
        Ok(pinned)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // A process that has ended needs its cores no more.
        sched_setaffinity(None, &self.before).ok();
        for &pid in &self.pids {
            put(pid, &self.before).ok();
        }
    }
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}

fn put(pid: u32, set: &CpuSet) -> Result<(), Error> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_err(Error::system("list threads"))?;
    for thread in threads {
        let name = thread.map_err(Error::system("list threads"))?.file_name();
        let thread = name.to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
        let thread = thread.ok_or(Error::Unreadable("/proc/PID/task"))?;
        match sched_setaffinity(Some(thread), set) {
            // A thread may have ended since it was listed.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(Error::system("pin a thread")(error)),
        }
    }
    Ok(())
}
