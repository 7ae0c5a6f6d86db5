//! Which unit of systemd a process belongs to, by the control group that it is in (cgroups(7), version 2).
//!
//! A group below `system.slice` is made by the system's manager, and a process gets there by root's doing
//! alone (though some units run what users ask for): to move one takes the right to write to the group above both places (cgroup-v2.rst,
//! "Delegation Containment"). Groups below `user.slice` are handed to the user, who can name one anything.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use glassdome_proto::limits;
pub use glassdome_proto::policy::Manager;
use rustix::fs::{Mode, OFlags};

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Who runs it.
    pub manager: Manager,
    /// Its name, with its kind behind the dot.
    pub name: String,
}

/// The kinds of units that processes live in (systemd.unit(5)).
const KINDS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

impl Unit {
    /// A unit that a rule can name: characters and length as systemd.unit(5) has them, of a kind that
    /// processes live in.
    pub fn named(manager: Manager, name: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":_.\\@-".contains(&byte);
        let kind = KINDS.iter().any(|kind| name.len() > kind.len() && name.ends_with(kind));
        (kind && name.len() <= limits::UNIT && name.bytes().all(plain))
            .then(|| Self { manager, name: name.to_owned() })
    }

    /// Reads it through an open `/proc/PID` directory. `None` of a process in no unit, and where control
    /// groups are of the first version only.
    ///
    /// # Errors
    /// `ESRCH` or `ENOENT` of a process that is gone.
    pub fn of(dir: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        let file = rustix::fs::openat(dir, "cgroup", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        // One path at most is of version 2, and comes last. Most are read at once.
        let mut text = Vec::with_capacity(4096);
        io::Read::read_to_end(&mut io::Read::take(std::fs::File::from(file), LONGEST), &mut text)?;
        Ok(std::str::from_utf8(&text).ok().and_then(parse))
    }
}

/// Where the system's units are installed, or made while it starts (systemd.unit(5)).
const DIRECTORIES: [&str; 9] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/transient",
    "/run/systemd/generator",
    "/run/systemd/generator.early",
    "/run/systemd/generator.late",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Whether the system has a unit of that name, or the template that it is an instance of.
pub fn is_installed(name: &str) -> bool {
    let template = name.split_once('@').zip(name.rsplit_once('.'));
    let template = template.map(|((stem, _), (_, kind))| format!("{stem}@.{kind}"));
    let files = [Some(name), template.as_deref()];
    DIRECTORIES.iter().any(|top| files.iter().flatten().any(|name| Path::new(top).join(name).exists()))
}

/// More than the kernel says: a path of 4,096 bytes for each of some dozen hierarchies.
const LONGEST: u64 = 128 * 1024;

fn parse(text: &str) -> Option<Unit> {
    // A name holds no line feed (kernel/cgroup/cgroup.c, `cgroup_mkdir`).
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mut groups = path.split('/');
    match groups.next()? {
        "system.slice" => first(groups, Manager::System),
        "user.slice" => {
            // `user-UID.slice/user@UID.service`, where the user's own manager begins.
            let (slice, manager) = (groups.next()?, groups.next()?);
            let uid = slice.strip_prefix("user-")?.strip_suffix(".slice")?;
            (manager.strip_prefix("user@")?.strip_suffix(".service")? == uid)
                .then(|| first(groups, Manager::User))?
        }
        _ => None,
    }
}

/// The first group that is no slice. What lies below it is the unit's own.
fn first<'g>(mut groups: impl Iterator<Item = &'g str>, manager: Manager) -> Option<Unit> {
    let name = groups.find(|group| !group.ends_with(".slice"))?;
    // systemd escapes what the kernel would take for a file of its own (src/basic/cgroup-util.c,
    // `cg_escape`).
    Unit::named(manager, name.strip_prefix('_').unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(path: &str) -> Option<String> {
        let text = format!("1:name=systemd:/system.slice/other.service\n0::{path}\n");
        parse(&text).map(|unit| format!("{:?} {}", unit.manager, unit.name))
    }

    #[test]
    fn units_are_told_by_their_groups() {
        for (path, expected) in [
            ("/system.slice/api.service", "System api.service"),
            ("/system.slice/api.service/below/it.service", "System api.service"),
            ("/system.slice/system-getty.slice/getty@tty1.service", "System getty@tty1.service"),
            ("/system.slice/_cpu.service", "System cpu.service"),
            ("/system.slice/docker-0a1b.scope", "System docker-0a1b.scope"),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/api.service", "User api.service"),
            ("/user.slice/user-1000.slice/user@1000.service/system.slice/api.service", "User api.service"),
            ("/user.slice/user-1000.slice/user@1000.service/init.scope", "User init.scope"),
        ] {
            assert_eq!(told(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn what_is_no_unit_of_the_systems_is_none() {
        for path in [
            "/",
            "/init.scope",
            "/system.slice",
            "/system.slice/",
            "/system.slice/a.slice",
            "/system.slice/no-kind",
            "/system.slice/.service",
            "/system.slice/a b.service",
            "/machine.slice/api.service",
            "/user.slice/user-1000.slice/session-3.scope",
            "/user.slice/user-1000.slice/user@1000.service",
            "/user.slice/user-1000.slice/user@1001.service/api.service",
            // Of a reader in another control group namespace (cgroup_namespaces(7)).
            "/../system.slice/api.service",
            "/a/system.slice/api.service",
            "/system.slice/api.service (deleted)",
        ] {
            assert_eq!(told(path), None, "{path}");
        }
        assert_eq!(parse("1:name=systemd:/system.slice/api.service\n"), None, "the first version");
        assert_eq!(parse(""), None);
    }

    #[test]
    fn what_is_not_installed_is_told() {
        assert!(!is_installed("no-such-thing-here.service") && !is_installed("no-such@thing.service"));
    }

    #[test]
    fn our_own_is_read() {
        let dir = super::super::process::directory(std::process::id().cast_signed()).unwrap();
        let text = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        assert_eq!(Unit::of(std::os::fd::AsFd::as_fd(&dir)).unwrap(), parse(&text));
    }

    proptest! {
        #[test]
        fn nothing_that_a_user_can_make_is_a_unit_of_the_systems(below in "[a-z0-9./@_-]{0,40}") {
            for top in ["/user.slice/user-1000.slice/user@1000.service/", "/user.slice/", "/other.slice/", "/.."] {
                let unit = parse(&format!("0::{top}{below}\n"));
                prop_assert!(unit.is_none_or(|unit| unit.manager == Manager::User), "{}", below);
            }
        }

        #[test]
        fn what_can_be_named_is_found(name in "[a-zA-Z0-9@:-]{1,30}", kind in 0..KINDS.len(), slices in 0..3usize) {
            let name = format!("{name}{}", KINDS[kind]);
            let path = format!("0::/system.slice/{}{name}\n", "a.slice/".repeat(slices));
            prop_assert_eq!(parse(&path), Unit::named(Manager::System, &name));
        }

        #[test]
        fn nothing_makes_it_panic(text: String) {
            let _ = parse(&text);
        }
    }
}
