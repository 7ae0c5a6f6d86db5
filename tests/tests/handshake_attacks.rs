//! Each row of the table in docs/protocol.md, carried out by a program of an ordinary user: the
//! daemon refuses it by the check that is meant to. Controls: against a twin of the daemon's front
//! without that one step the very same program gets the secret, and against the whole twin not.

#[path = "support/hanging.rs"]
mod hanging;
#[path = "support/scripts.rs"]
mod scripts;
#[path = "support/stage.rs"]
mod stage;
#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use glassdome_tests::{User, left_out_without_root, text};
use hanging::Hanging;
use serde_json::Value;
use stage::{BAIT, Row, Stage};

#[test]
fn one_pid_that_is_several_programs() {
    let stage = Stage::new();
    let row = |attack, trusted, without, by| Row { attack, trusted, without, by };
    stage.check(&row("friend", Some("/usr/bin/sleep"), &["nonce"], "other-sender"));
    stage.check(&row("become", Some("/bin/sh"), &["maps", "layout"], "gone"));
    stage.check(&row("become-pinned", Some("/bin/sh"), &["layout"], "gone"));
    stage.check(&row("exec-after-hello", None, &["maps"], "gone"));
    stage.still_serves();
}

#[test]
fn without_stopping_the_daemon_it_is_refused_as_well() {
    let stage = Stage::new();
    for _ in 0..5 {
        let (python, trusted) = (stage.allowed_python(), stage.copy("/bin/sh"));
        let refused = stage.attack(&python, "become-raced", &stage.world.socket(), 0, &trusted);
        assert_eq!(refused["got"], Value::Null, "{refused}");
    }
    assert!(stage.world.audit().iter().any(|record| record["by"] == "gone"));
    stage.still_serves();
}

#[test]
fn one_connection_that_several_hold() {
    let stage = Stage::new();
    let row = |attack, trusted, without, by| Row { attack, trusted, without, by };
    stage.check(&row("stdout", Some("/usr/bin/cat"), &["fresh-pair"], "other-sender"));
    stage.check(&row("forked", None, &["sender"], "other-sender"));
    stage.check(&row("halves", None, &["sender"], "other-sender"));
    stage.still_serves();
}

#[test]
fn forgeries_in_namespaces_of_ones_own() {
    for attack in ["forge-sender", "forge-exe"] {
        let stage = Stage::new();
        let (trusted, without) = (Some("/usr/bin/sleep"), &["namespace"][..]);
        stage.check(&Row { attack, trusted, without, by: "foreign-namespace" });
        let records = stage.world.audit();
        let refused = records.iter().find(|record| record["event"] == "connect").expect("just checked");
        let kernel = &refused["peer"]["kernel"];
        assert!(kernel["pid"].is_u64() && kernel["uid"] == User::A.uid(), "who it was: {refused}");
        stage.still_serves();
    }
}

#[test]
fn a_path_that_lies() {
    if left_out_without_root("a bind mount") {
        return;
    }
    let stage = Stage::new();
    // By a name that is no interpreter's, so that the file alone decides.
    let python = fs::canonicalize("/usr/bin/python3").expect("it is there");
    let (attacker, trusted) = (stage.copy_as(&python, "attacker"), stage.copy("/usr/bin/sleep"));
    // The owner's: so its rule pins its bytes, and holds also on a mount that the daemon cannot see.
    User::A.own(&attacker).expect("it can be given away");
    let script = scripts::scripts(&stage.world).join("attacks.py");
    let mounted = |socket: &Path| -> Value {
        let (uid, gid) = (User::A.uid(), User::A.gid());
        let line = format!(
            "mount --bind {attacker} {trusted} && exec setpriv --reuid {uid} --regid {gid} --clear-groups \
             {trusted} {script} plain {socket} 0 -",
            attacker = text(&attacker),
            trusted = text(&trusted),
            script = text(&script),
            socket = text(socket)
        );
        let out = stage
            .world
            .program(Path::new("/usr/bin/unshare"), &["-m", "sh", "-c", &line])
            .as_user(User::Root);
        serde_json::from_slice(&out.ok()).expect("it prints JSON")
    };
    let (twin, socket) = stage.twin(&trusted, &["exe-identity"]);
    assert_eq!(mounted(&socket)["got"], "the bait", "control: who believes the path is deceived");
    drop(twin);
    let (twin, socket) = stage.twin(&trusted, &[]);
    assert_eq!(mounted(&socket)["got"], Value::Null);
    drop(twin);

    // What the daemon goes by is the file, and that is in the record.
    let recorded = || {
        let last = stage.world.audit().into_iter().rfind(|record| record["event"] == "get");
        last.expect("it is recorded")["peer"]["kernel"]["exe"].clone()
    };
    let file = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).expect("it is there");
    let identity =
        |exe: &Value| (exe["dev"].as_u64().expect("a number"), exe["ino"].as_u64().expect("a number"));
    let lies = |exe: &Value| {
        assert_eq!(exe["path"], text(&trusted), "the path lies");
        assert_eq!(identity(exe), file(&attacker), "device and inode do not");
        assert_ne!(identity(exe), file(&trusted));
    };
    stage.world.allow(&["--exe", text(&trusted)]);
    assert_eq!(mounted(&stage.world.socket())["got"], Value::Null, "the rule is about another file");
    lies(&recorded());
    stage.world.allow(&["--exe", text(&attacker)]);
    assert_eq!(mounted(&stage.world.socket())["got"], BAIT, "control: of this file, at whatever path");
    lies(&recorded());

    let link = stage.world.top().join("another-name");
    fs::hard_link(&attacker, &link).expect("both are on one file system");
    let linked = stage.attack(&link, "plain", &stage.world.socket(), 0, Path::new("-"));
    assert_eq!(linked["got"], BAIT);
    let exe = recorded();
    assert_eq!(exe["path"], text(&link));
    assert_eq!(identity(&exe), file(&attacker), "by any name it is the same program");
}

#[test]
fn the_connection_of_a_client_cannot_be_taken() {
    let stage = Stage::new();
    let python = stage.allowed_python();
    let socket = stage.world.socket();
    let stolen = stage.attack(&python, "steal-from-dumpable", &socket, 0, Path::new("-"));
    assert_eq!(stolen["got"], BAIT, "control: from a client that is dumpable it can: {stolen}");

    let pid_file = stage.world.home("pid");
    let mut terminal = stage.world.terminal("echo $$ > pid; exec ctl unlock --renew");
    terminal.expect("assword");
    let pid: u32 = fs::read_to_string(pid_file).expect("it wrote it").trim().parse().expect("a number");
    let refused = stage.attack(&python, "steal", &socket, pid, Path::new("-"));
    let why = refused["why"].as_str().expect("it is refused");
    assert!(why.starts_with("PermissionError"), "{why}");
    drop(terminal);
}

#[test]
fn no_descriptor_enters_the_daemon() {
    let stage = Stage::new();
    let python = stage.copy("/usr/bin/python3");
    let everywhere = |word: &str| serde_json::json!({ "queued": word, "accepted": word, "pair": word });
    let (twin, socket) = stage.twin(&python, &["passrights"]);
    let passed = stage.attack(&python, "descriptors", &socket, twin.pid(), Path::new("-"));
    assert_eq!(passed["got"], everywhere("passed"), "control: an ordinary socket takes them: {passed}");
    drop(twin);
    let pid = stage.world.daemon_pid().cast_unsigned();
    let refused = stage.attack(&python, "descriptors", &stage.world.socket(), pid, Path::new("-"));
    assert_eq!(refused["got"], everywhere("EPERM"));
    stage.still_serves();
}

/// Takes a file system away, lazily: it answers nobody any more.
#[test]
fn an_executable_that_hangs_whoever_looks_at_it() {
    if left_out_without_root("mounting a FUSE file system for others") {
        return;
    }
    let stage = Stage::new();
    let python = fs::canonicalize("/usr/bin/python3").expect("it is there");
    let stop = stage.world.home("stop");
    let hanging = Hanging::new(&stage.world, &python, &stop);
    let program = hanging.file();

    let began = Instant::now();
    let told = stage.attack(&program, "hanging", &stage.world.socket(), 0, &stop);
    assert!(stop.exists(), "it hangs by now");
    // Looked at without asking the file system: it is a program like any other, without a rule.
    assert!(told["why"].as_str().is_some_and(|why| why.contains("no rule allows it to program ")), "{told}");
    assert!(began.elapsed() < Duration::from_secs(20));
    stage.still_serves();
    let look = format!("timeout 1 stat {}", text(&program));
    assert_eq!(stage.world.shell(&look).output().code, 124, "control: whoever asks the file system waits");
}
