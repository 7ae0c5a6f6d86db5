//! Installed by root, the programs know each other, and nothing else is taken for one of them: not a
//! copy, not one that is traced or started with less than its due, and no daemon but the installed one.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "../support/install.rs"]
mod install;
mod phishing;
#[path = "../support/scripts.rs"]
mod scripts;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use glassdome_tests::{PASSWORD, Run, User, World, left_out_without_root, programs, text, wait_until};
use install::{GROUP, Install, gid, make, said};
use rustix::process::Signal;
use serde_json::{Map, Value};

const PROGRAMS: [&str; 3] = ["ctl", "glassdome_start", "glassdomed"];

fn mode(path: &Path) -> (u32, u32, u32) {
    let found = fs::metadata(path).unwrap();
    (found.mode() & 0o7777, found.uid(), found.gid())
}

/// What one of the scripts prints.
fn told(world: &World, script: &str, args: &[&str]) -> Map<String, Value> {
    let script = scripts::scripts(world).join(script);
    serde_json::from_slice(&world.python(&script, args).ok()).expect("it prints JSON")
}

/// What `ctl doctor` says of one protection.
fn protection(ctl: Run, what: &str) -> (String, String) {
    let lines: Vec<Value> = serde_json::from_slice(&ctl.ok()).unwrap();
    let line = lines.iter().find(|line| line["what"] == what).unwrap_or_else(|| panic!("{what}: {lines:?}"));
    let word = |key: &str| line[key].as_str().unwrap().to_owned();
    (word("level"), word("why"))
}

#[test]
fn installing_stamps_and_uninstalling_leaves_nothing_of_it() {
    if left_out_without_root("installing for everybody") {
        return;
    }
    let install = Install::new();
    let made_it = install.said.contains("made the group");
    assert!(install.said.contains("stamped: ctl glassdome_start glassdomed in "), "{}", install.said);
    for program in PROGRAMS {
        assert_eq!(mode(&install.program(program)), (0o2755, 0, install.gid()), "{program}");
    }
    let table = fs::read_to_string("/etc/group").unwrap();
    let line = table.lines().find(|line| line.starts_with(&format!("{GROUP}:"))).unwrap();
    assert!(line.ends_with(':'), "it has no members: {line}");
    // Once more, as an update does: another name of what is replaced does not stay stamped.
    let other = install.prefix().join("another-name");
    fs::hard_link(install.program("ctl"), &other).unwrap();
    assert_eq!(mode(&other).0, 0o2755, "control");
    said(make("install", "", &[&format!("PREFIX={}", install.prefix().display())]));
    assert_eq!(mode(&other).0, 0o755);
    assert_eq!(mode(&install.program("ctl")).0, 0o2755);

    fs::remove_file(other).unwrap();
    let said = install.uninstall();
    let left: Vec<_> = fs::read_dir(install.prefix().join("bin")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(gid().is_none(), made_it, "only what installing made is removed: {said}");
}

#[test]
fn what_cannot_be_stamped_is_installed_all_the_same() {
    if left_out_without_root("installing in every way") {
        return;
    }
    let plain = |bin: &Path, owner: u32| {
        for program in PROGRAMS {
            let (mode, uid, _) = mode(&bin.join(program));
            assert_eq!((mode, uid), (0o755, owner), "{program}");
        }
    };
    // A group that has members is no proof of anything.
    let world = World::new();
    let fake = world.top().join("fake");
    fs::create_dir(&fake).unwrap();
    let getent = fake.join("getent");
    let script =
        format!("#!/bin/sh\n[ $1 = group ] && echo {GROUP}:x:4711:mallory || exec /usr/bin/getent \"$@\"\n");
    fs::write(&getent, script).unwrap();
    fs::set_permissions(&getent, Permissions::from_mode(0o755)).unwrap();
    let install = Install::with(text(&fake));
    assert!(
        install.said.contains("not stamped: the group glassdome has members (mallory)"),
        "{}",
        install.said
    );
    plain(&install.prefix().join("bin"), 0);
    drop(install);

    // A package's tree: root on another machine puts the group there.
    let tree = world.top().join("tree");
    let line = said(make("install", "", &["PREFIX=/usr", &format!("DESTDIR={}", tree.display())]));
    assert!(
        line.contains("not stamped") && line.contains("chmod 2755 ctl glassdome_start glassdomed"),
        "{line}"
    );
    plain(&tree.join("usr/bin"), 0);

    // Where others can exchange the programs.
    let open = world.top().join("open");
    fs::create_dir_all(open.join("bin")).unwrap();
    User::A.own(&open.join("bin")).unwrap();
    let line = said(make("install", "", &[&format!("PREFIX={}", open.display())]));
    assert!(line.contains("can be changed by others than root"), "{line}");
    plain(&open.join("bin"), 0);
}

#[test]
fn only_the_installed_program_started_as_it_is_shows_the_stamp() {
    if left_out_without_root("installing for everybody") {
        return;
    }
    let (install, world) = (Install::new(), World::new());
    let (ctl, other) = (install.program("ctl"), install.program("glassdome"));
    let copy = world.home("ctl");
    let shown = told(&world, "stamps.py", &["clients", text(&ctl), text(&copy), text(&other)]);
    assert_eq!(shown.len(), 10, "{shown:?}");
    for (way, gid) in &shown {
        let stamped = ["installed", "by its other name", "from a shell", "with LD_PRELOAD"].contains(&&**way);
        let group = if stamped { install.gid() } else { User::A.gid() };
        assert_eq!(gid.as_u64(), Some(group.into()), "{way}: {shown:?}");
    }
    // Nothing is preloaded: no dynamic linker runs, which would complain about what is not there.
    let complaint = |program: &Path| {
        let run = world.program(program, &["--version"]).env("LD_PRELOAD", "/nonexistent/library.so");
        run.output().stderr
    };
    assert!(complaint(Path::new("/bin/cat")).contains("/nonexistent/library.so"), "control");
    assert_eq!(complaint(&copy), "", "also of a copy, which is not set-id");
    assert_eq!(complaint(&ctl), "");
}

#[test]
fn the_daemon_shows_the_stamp_and_keeps_nothing_of_it() {
    if left_out_without_root("installing for everybody") {
        return;
    }
    let (install, world) = (Install::new(), World::new());
    let running = install.listening(&world);
    let shown = told(&world, "stamps.py", &["listener", text(&world.socket())]);
    assert_eq!(shown["listener"], install.gid());

    let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let groups = status.lines().find_map(|line| line.strip_prefix("Gid:")).unwrap();
    let own = User::A.gid().to_string();
    assert_eq!(groups.split_whitespace().collect::<Vec<_>>(), [&*own; 4], "real, effective, saved, fs");
    for task in fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains(groups), "every thread");
    }

    granted(&world, &install, "true").ok();
    let mut seen = 0;
    for top in [world.data(), world.state(), world.runtime()] {
        for path in everything(&top) {
            assert_eq!(fs::symlink_metadata(&path).unwrap().gid(), User::A.gid(), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 9, "directories, vault, log, socket and lock: {seen}");
}

#[test]
fn installed_both_sides_know_each_other_and_nobody_else() {
    if left_out_without_root("installing for everybody") {
        return;
    }
    let (install, world) = (Install::new(), World::new());
    let ctl = install.program("ctl");
    let ctl = text(&ctl);
    // The installed one starts the daemon that lies beside it, stamped as well.
    assert_eq!(
        granted(&world, &install, &format!("printf 1 | {ctl} set a --stdin && {ctl} get a")).ok(),
        b"1"
    );
    let exe = fs::read_link(format!("/proc/{}/exe", world.daemon_pid())).unwrap();
    assert_eq!(exe, install.program("glassdomed"));
    for what in ["install", "this ctl"] {
        let (level, why) = protection(world.program(Path::new(ctl), &["doctor", "--json"]), what);
        assert!(level == "on" && why.starts_with("stamped"), "{level}: {why}");
    }

    // Its group is all that is known of it, and the log says no more.
    let record = world.audit().into_iter().rfind(|record| record["event"] == "get").unwrap();
    let kernel = &record["peer"]["kernel"];
    assert_eq!(
        (kernel["gid"].as_u64(), &kernel["exe"]),
        (Some(install.gid().into()), &Value::Null),
        "{record}"
    );
    // A stamped client is started with randomisation, whatever its caller has; so the caller is asked.
    let asks =
        format!("import subprocess, sys\nsys.exit(subprocess.run([{ctl:?}, 'get', 'a']).returncode)\n");
    let script = world.file("asks.py", asks);
    let script = format!("/usr/bin/python3 {}", text(&script));
    let allow = format!("printf '{PASSWORD}' | {ctl} policy allow --password-stdin --secrets a");
    let allow = format!("{allow} --script asks.py --exe /usr/bin/python3 >&2");
    assert_eq!(granted(&world, &install, &format!("cd && {allow} && {script}")).ok(), b"1");
    let out = granted(&world, &install, &format!("setarch -R {script}; exit $?")).output();
    assert!(out.code == 4 && out.stderr.contains("without address space randomisation"), "{}", out.stderr);

    let copy = world.file("ctl", fs::read(ctl).unwrap());
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(
        granted(&world, &install, &format!("env {ctl} get a")).ok(),
        b"1",
        "control: it may be run so"
    );
    for start in [text(&copy), &format!("setpriv --no-new-privs {ctl}"), &format!("unshare -Ur {ctl}")] {
        let out = granted(&world, &install, &format!("{start} get a")).output();
        assert!(matches!(out.code, 4 | 6) && out.stdout.is_empty(), "{start}: {} {}", out.code, out.stderr);
    }
    // Nor is a password taken from who is not known.
    let client = scripts::scripts(&world).join("client.py");
    let out = world.python(&client, &[text(&world.socket()), "unlock"]).stdin(PASSWORD).output();
    assert!(
        out.code == 1 && out.stderr.contains("from the installed glassdome_start and ctl only"),
        "{}",
        out.stderr
    );
    let start = programs().join("glassdome_start");
    let out = world.program(&start, &["--renew", "--password-stdin"]).stdin(PASSWORD).output();
    assert_eq!(out.code, 4, "{}", out.stderr);
}

/// A handle is for programs that have no stamp, and the installed client asks by it with its own.
#[test]
fn a_handle_serves_with_the_stamp_and_without() {
    if left_out_without_root("installing for everybody") {
        return;
    }
    let (install, world) = (Install::new(), World::new());
    let ctl = install.program("ctl");
    let ctl = text(&ctl);
    let stored = format!("printf 1 | {ctl} set shop/a --stdin && printf 2 | {ctl} set b --stdin");
    granted(&world, &install, &stored).ok();
    let by_handle = |command: &str| {
        let script = format!("{command} get shop/a && {command} get b; exit $?");
        granted(&world, &install, &format!("{ctl} run --grant 'shop/*' -- sh -c '{script}'; exit $?"))
            .output()
    };
    let last = || world.audit().into_iter().rfind(|record| record["event"] == "get").unwrap();
    let stamped = by_handle(ctl);
    assert_eq!((stamped.stdout.as_slice(), stamped.code), (&b"1"[..], 4), "{}", stamped.stderr);
    assert_eq!(last()["peer"]["kernel"]["gid"], install.gid(), "{}", last());
    assert!(last()["by"].as_str().unwrap().starts_with("handle:"), "{}", last());
    // What the kernel gives no stamp is refused at the socket (below), and served by the handle.
    for start in ["setpriv --no-new-privs", "unshare --user --map-root-user --pid --fork"] {
        let out = by_handle(&format!("{start} {ctl}"));
        assert_eq!((out.stdout.as_slice(), out.code), (&b"1"[..], 4), "{start}: {}", out.stderr);
        assert_ne!(last()["peer"]["kernel"]["gid"], install.gid(), "{}", last());
        let out = granted(&world, &install, &format!("{start} {ctl} get shop/a; exit $?")).output();
        assert!(out.code != 0 && out.stdout.is_empty(), "control: {start}: {}", out.stderr);
    }
}

/// A line of `sh` behind the master password, typed into the installed program by that shell.
fn granted(world: &World, install: &Install, line: &str) -> Run {
    let start = install.program("glassdome_start");
    let options = "--password-stdin --accept-weak --renew --quiet";
    world.shell(&format!("printf '{PASSWORD}' | {} {options} && {line}", text(&start)))
}

/// The directory and all that is below it.
fn everything(directory: &Path) -> Vec<PathBuf> {
    let mut all = vec![directory.to_owned()];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(everything(&path)) } else { all.push(path) }
    }
    all
}

#[test]
fn neither_side_is_in_reach_of_the_user_who_runs_it() {
    if left_out_without_root("installing for everybody") {
        return;
    }
    let (install, world) = (Install::new(), World::new());
    let reach = |pid: u32| {
        // Where its memory is, only root can tell; the user would have to guess.
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let start = u64::from_str_radix(maps.split('-').next().unwrap(), 16).unwrap();
        told(&world, "spy.py", &["reach", &pid.to_string(), &start.to_string(), "64"])
    };
    let running = install.listening(&world);
    let daemon = reach(running.pid());
    // Connected, and waiting for a daemon that does not greet: a client that has not hardened itself yet.
    running.signal(Signal::STOP);
    let waiting = |program: PathBuf| {
        let client = world.program(&program, &["status"]).start();
        let connected =
            || fs::read_dir(format!("/proc/{}/fd", client.pid())).is_ok_and(|all| all.count() > 3);
        assert!(wait_until(connected, Duration::from_secs(20)), "it has its socket");
        reach(client.pid())
    };
    let (stamped, ordinary) = (waiting(install.program("ctl")), waiting(programs().join("ctl")));
    running.signal(Signal::CONT);
    assert!(ordinary.values().any(|told| told == "ok"), "control: {ordinary:?}");
    for reached in [daemon, stamped] {
        assert!(reached.len() >= 9, "{reached:?}");
        for (way, told) in reached {
            assert!(told == "EPERM" || told == "EACCES", "{way}: {told}");
        }
    }
}

#[test]
fn an_installed_client_talks_to_the_installed_daemon_only() {
    if left_out_without_root("installing for everybody") {
        return;
    }
    let (install, world) = (Install::new(), World::unlocked());
    let asked =
        [("ctl", &["get", "a"][..]), ("ctl", &["lock"]), ("glassdome_start", &["--renew", "--quiet"])];
    for (program, args) in asked {
        let line = world.program(&install.program(program), args).refused(6);
        assert!(line.contains("is not the daemon that was installed with this program"), "{line}");
        assert!(line.contains(&format!("kill {}", world.daemon_pid())), "{line}");
    }
    assert_eq!(world.status()["state"], "unlocked", "control: nothing reached it");
    let (level, why) = protection(world.ctl(&["doctor", "--json"]), "install");
    assert!(level == "degraded" && why.contains("sudo make install"), "{level}: {why}");
}
