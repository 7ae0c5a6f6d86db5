//! What it ran on: a number without its machine says nothing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::cores;
use crate::error::Error;

/// Date, processor, kernel, file system, and how busy the machine was with other things.
pub(crate) fn describe(home: &Path, took: Duration) -> Result<String, Error> {
    let read = |path: &str| fs::read_to_string(path).map_err(Error::system("read what machine this is"));
    let processors = read("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |rest| rest.trim_start_matches(['\t', ' ', ':']));
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let load = read("/proc/loadavg")?;
    Ok(format!(
        "{date}, {model}, {cores} cores, Linux {kernel}, {disk}; load {load} at the end, {took:.0} s in all\n",
        date = Timestamp::now().strftime("%Y-%m-%d"),
        cores = cores::ours()?.len(),
        kernel = kernel.trim(),
        disk = file_system(home, &read("/proc/self/mounts")?),
        load = load.split(' ').next().unwrap_or_default(),
        took = took.as_secs_f64(),
    ))
}

/// The type of the file system that `path` is on (proc_pid_mounts(5)). One in memory makes every
/// sync free.
fn file_system(path: &Path, mounts: &str) -> String {
    let on = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (at, kind) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        path.starts_with(&at).then_some((at.len(), kind))
    };
    let found = mounts.lines().filter_map(on).max_by_key(|(len, _)| *len);
    found.map_or_else(|| "unknown file system".into(), |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n";
        assert_eq!(file_system(Path::new("/tmp/x"), mounts), "tmpfs");
        assert_eq!(file_system(Path::new("/tmpx"), mounts), "ext4");
    }
}
