//! Where the daemon and its clients meet: one daemon for a vault, a dead one's socket replaced and a
//! living one's never, nothing of anybody else's trusted, and no other user served.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use glassdome_tests::{PASSWORD, Started, User, World, left_out_without_root, stamped, wait_until};
use rustix::process::Signal;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Makes the socket's directory, as the daemon would.
fn socket_directory(world: &World) {
    let directory = world.runtime().join("glassdome");
    fs::create_dir(&directory).unwrap();
    chmod(&directory, 0o700);
    User::A.own(&directory).unwrap();
}

/// A program of that user in the daemon's place. It prints all that it is sent.
fn fake_daemon(world: &World, user: User, place: &Path) -> Started {
    let directory = world.top().join(format!("fake-{}", user.uid()));
    fs::create_dir_all(&directory).unwrap();
    user.own(&directory).unwrap();
    let script = directory.join("fake_daemon.py");
    fs::write(&script, include_str!("../python/fake_daemon.py")).unwrap();
    let socket = directory.join("socket");
    let fake = world.python(&script, &[socket.to_str().unwrap(), "1", "1"]).as_user(user).start();
    assert!(wait_until(|| socket.exists(), Duration::from_secs(20)), "the fake daemon listens");
    // A socket is its inode: under its next name it is served as before.
    fs::rename(socket, place).unwrap();
    fake
}

/// What it was sent.
fn heard(fake: Started) -> Vec<u8> {
    fake.signal(Signal::TERM);
    fake.output().ok()
}

#[test]
fn one_daemon_for_a_vault_and_one_for_a_socket() {
    let world = World::unlocked();
    world.set("a", "1");
    let first = world.daemon_pid();
    let line = world.glassdomed(&[]).refused(9);
    assert!(line.contains("another daemon serves the vault") && line.contains("ctl stop"), "{line}");
    // The same vault through another socket.
    let other = world.runtime().join("other/daemon.sock");
    world.glassdomed(&[]).env("GLASSDOME_SOCKET", &other).refused(9);
    let start = world.glassdome_start(&["--password-stdin"]).env("GLASSDOME_SOCKET", &other);
    let out = start.stdin(PASSWORD).output();
    assert_eq!(out.code, 9, "{}", out.stderr);
    assert!(out.stderr.contains(&format!("another socket is in use: {}", other.display())), "{}", out.stderr);
    assert!(!other.exists());
    // The same socket for another vault.
    let line = world.glassdomed(&[]).env("XDG_DATA_HOME", world.home("data")).refused(9);
    assert!(line.contains("a daemon is running already at"), "{line}");
    assert_eq!(world.daemon_pid(), first);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1", "the first serves on");
}

#[test]
fn a_dead_socket_is_replaced_and_a_living_one_never() {
    let world = World::unlocked();
    world.set("a", "1");
    world.daemon().expect("a daemon runs").kill();
    assert!(world.socket().exists(), "it was left behind");
    assert_eq!(world.status()["state"], "no-daemon");
    world.start(PASSWORD);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    world.ctl(&["stop"]).ok();

    let world = World::new();
    socket_directory(&world);
    let fake = fake_daemon(&world, User::A, &world.socket());
    let line = world.glassdomed(&[]).refused(6);
    assert!(line.contains("another program listens there"), "{line}");
    assert!(world.socket().exists());
    assert_eq!(heard(fake), b"", "it was looked at, and sent nothing");
    // Something else in its place is left alone as well.
    fs::remove_file(world.socket()).unwrap();
    fs::write(world.socket(), "mine").unwrap();
    User::A.own(&world.socket()).unwrap();
    assert!(world.glassdomed(&[]).refused(6).contains("is not a socket"));
    assert!(world.ctl(&["get", "a"]).refused(6).contains("is not a socket"));
    assert_eq!(fs::read(world.socket()).unwrap(), b"mine");
}

#[test]
fn a_directory_that_is_not_ours_alone_is_refused_by_both_sides() {
    let world = World::unlocked();
    world.set("a", "1");
    let directory = world.runtime().join("glassdome");
    let refused_by_both = |words: &str| {
        let line = world.ctl(&["get", "a"]).refused(6);
        assert!(line.contains(words), "{line}");
        // Another vault, so that it is the place that is refused.
        let line = world.glassdomed(&[]).env("XDG_DATA_HOME", world.home("data")).refused(6);
        assert!(line.contains("glassdome"), "{line}");
    };
    for mode in [0o777, 0o770, 0o1777] {
        chmod(&directory, mode);
        refused_by_both("others may write to");
    }
    chmod(&directory, 0o700);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1", "control");

    let real = world.runtime().join("real");
    fs::rename(&directory, &real).unwrap();
    symlink(&real, &directory).unwrap();
    std::os::unix::fs::lchown(&directory, Some(User::A.uid()), None).unwrap();
    refused_by_both("is a symbolic link");
    fs::remove_file(&directory).unwrap();
    fs::rename(&real, &directory).unwrap();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1", "control");
    // The runtime directory itself: its entries can be exchanged by whoever may write to it.
    chmod(&world.runtime(), 0o777);
    let line = world.ctl(&["get", "a"]).refused(6);
    assert!(line.contains("others may write to"), "{line}");

    for place in [world.data(), world.state()] {
        let world = World::unlocked();
        let daemon = world.daemon().expect("a daemon runs");
        world.ctl(&["stop"]).ok();
        daemon.wait_for_end();
        let ours = world.top().join(place.file_name().unwrap()).join("glassdome");
        chmod(&ours, 0o755);
        let line = world.unlock(PASSWORD, &[]).refused(6);
        assert!(line.contains("others may enter") && line.contains("chmod 700"), "{line}");
        chmod(&ours, 0o700);
        world.start(PASSWORD);
    }
}

#[test]
fn a_daemon_of_another_user_is_sent_nothing() {
    if left_out_without_root("a program of another user") {
        return;
    }
    let ask = |world: &World| {
        let get = world.ctl(&["get", "a"]).output();
        let start = world.glassdome_start(&["--password-stdin"]).stdin(format!("{PASSWORD}\n")).output();
        (get, start)
    };
    // Its socket where ours belongs: the socket's owner gives it away.
    let world = World::new();
    socket_directory(&world);
    let fake = fake_daemon(&world, User::B, &world.socket());
    let (get, start) = ask(&world);
    for out in [get, start] {
        assert!(out.refused(6).contains(&format!("belongs to user {}, not to you", User::B.uid())));
    }
    assert_eq!(heard(fake), b"");
    let line = world.glassdomed(&[]).refused(6);
    assert!(line.contains("it belongs to another user"), "{line}");
    assert!(world.socket().exists(), "left as it is");

    // Even where the file says that it is ours, the kernel says who listens.
    let world = World::new();
    socket_directory(&world);
    let fake = fake_daemon(&world, User::B, &world.socket());
    User::A.own(&world.socket()).unwrap();
    let (get, start) = ask(&world);
    for out in [get, start] {
        assert!(out.refused(6).contains(&format!("served by user {}, not by you", User::B.uid())));
    }
    assert_eq!(heard(fake), b"", "not a byte");

    // Control: of our own user, the same program is greeted.
    let world = World::new();
    socket_directory(&world);
    let fake = fake_daemon(&world, User::A, &world.socket());
    let line = world.ctl(&["status"]).refused(6);
    let heard = heard(fake);
    if stamped() {
        // By a program without a stamp; to one that has it, its own user's programs are strangers too.
        assert!(line.contains("is not the daemon that was installed") && heard.is_empty(), "{line}");
        return;
    }
    // It never answers.
    assert!(line.contains("did not answer in time"), "{line}");
    assert!(heard.windows(16).any(|bytes| bytes == b"glassdome-client"), "{heard:?}");
}

#[test]
fn another_user_at_an_open_socket_is_refused_by_our_check() {
    if left_out_without_root("a program of another user") {
        return;
    }
    let world = World::unlocked();
    world.set("a", "1");
    // Whatever the file system would refuse, it lets through here.
    chmod(&world.runtime(), 0o755);
    chmod(&world.runtime().join("glassdome"), 0o755);
    chmod(&world.socket(), 0o666);
    // Our own client would refuse to talk to a daemon of another user: this one does not care.
    let script = world.top().join("connect.py");
    fs::write(
        &script,
        "import socket, sys\n\
         s = socket.socket(socket.AF_UNIX)\n\
         s.connect(sys.argv[1])\n\
         s.settimeout(10)\n\
         data, rights, _, _ = s.recvmsg(4096, 4096)\n\
         print('challenge' if rights else 'no challenge', data[4:])\n\
         print('then', s.recv(4096))\n",
    )
    .unwrap();
    let connect = |user| {
        let socket = world.socket();
        world.python(&script, &[socket.to_str().unwrap()]).as_user(user).output()
    };
    let said = String::from_utf8(connect(User::B).ok()).unwrap();
    assert!(said.starts_with("no challenge"), "{said}");
    assert!(said.contains("is not the owner's uid") && said.ends_with("then b''\n"), "{said}");
    let reason = format!("uid {} is not the owner's uid {}", User::B.uid(), User::A.uid());
    assert!(world.daemon_log().contains(&reason), "{}", world.daemon_log());
    let record =
        world.audit().into_iter().rfind(|record| record["event"] == "connect").expect("it is recorded");
    assert_eq!((&record["outcome"], &record["by"]), (&"denied".into(), &"other-user".into()));
    assert_eq!(record["peer"]["kernel"]["uid"], User::B.uid());
    // Root is another user as well.
    assert!(String::from_utf8(connect(User::Root).ok()).unwrap().starts_with("no challenge"));
    assert!(world.daemon_log().contains("uid 0 is not the owner's uid"));

    // Control: the owner, over the very same socket.
    assert!(String::from_utf8_lossy(&connect(User::A).stdout).starts_with("challenge"));
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
}
