//! What the daemon shows of a process, to whom, and that nothing a process says of itself reaches a
//! terminal as it is.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
mod askers;
#[path = "support/scripts.rs"]
mod scripts;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use askers::{PYTHON, Staying, allow, asker, asking, recorded, runner, told, with_password};
use glassdome_tests::{PASSWORD, Run, User, World, stamped, text};
use serde_json::{Value, json};

fn picture(run: Run) -> Value {
    serde_json::from_slice(&run.ok()).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Runs `ctl` from a program that stays: nothing of it was typed.
fn by_program(world: &World, args: &str) -> Run {
    let script = format!("import subprocess, sys; sys.exit(subprocess.call(['ctl', *{args:?}.split()]))");
    world.program(Path::new(PYTHON), &["-c", &script])
}

#[test]
fn the_picture_is_printed_as_documented() {
    let world = World::unlocked();
    let typed = picture(world.ctl(&["whoami", "--json"]));
    assert_eq!(keys(&typed), ["chain", "claims", "client", "grant", "missing", "rules", "subject"]);
    assert_eq!(
        typed["claims"],
        json!({ "client": "glassdome-client", "version": env!("CARGO_PKG_VERSION") })
    );
    assert!(typed["grant"].is_u64() && typed["missing"].is_null(), "{typed}");
    let chain = typed["chain"].as_array().unwrap();
    for process in chain {
        let all = ["chain", "claims", "exe", "forked", "launcher", "pid", "session", "started", "tty", "uid"];
        assert_eq!(keys(process), all[1..], "{process}");
        assert_eq!(keys(&process["claims"]), ["name", "script"]);
    }
    assert_eq!((&chain[0]["claims"]["name"], &chain[0]["uid"]), (&"ctl".into(), &User::A.uid().into()));
    assert_eq!(typed["subject"], chain[1]["pid"], "who ran it");

    // A script that a rule is about: the rule, its file, its bytes.
    let script = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/*", "--script", text(&script)]).ok();
    let mut staying = Staying::new(&world, text(&script));
    let seen = picture(world.ctl(&["whoami", "--json", "--pid", &staying.pid.to_string()]));
    assert_eq!(
        (&seen["rules"], &seen["client"], &seen["claims"]),
        (&json!(["deploy"]), &Value::Null, &Value::Null)
    );
    assert_eq!(seen["subject"], staying.pid);
    let process = &seen["chain"][0];
    let python = fs::canonicalize(PYTHON).unwrap();
    let file = fs::metadata(&python).unwrap();
    assert_eq!(process["exe"]["path"], text(&python));
    assert_eq!((&process["exe"]["ino"], &process["exe"]["owner"]), (&file.ino().into(), &0.into()));
    assert_eq!(
        (&process["exe"]["writable"], &process["claims"]["script"]["path"]),
        (&false.into(), &text(&script).into())
    );
    for digest in [&process["exe"]["sha256"], &process["claims"]["script"]["sha256"]] {
        assert!(digest.as_str().is_some_and(|hex| hex.len() == 64), "{process}");
    }
    assert!(process["tty"].as_str().is_some_and(|tty| tty.starts_with("pts/")), "{process}");
    fs::write(&script, b"# other bytes").unwrap();
    assert!(staying.ask("client get db/a").denied().contains("changed"));
    let seen = picture(world.ctl(&["whoami", "--json", "--pid", &staying.pid.to_string()]));
    assert_eq!(seen["rules"], json!([]));
    assert!(seen["missing"].as_str().unwrap().contains("changed since rule deploy"), "{seen}");

    // A program of its own runs `ctl`: it is the subject, and its file is the owner's to change.
    let program = runner(&world, "program");
    let seen = picture(world.program(&program, &["ctl", "whoami", "--json"]));
    let known_by = if stamped() { "stamp" } else { "file" };
    assert_eq!((&seen["client"], &seen["subject"]), (&known_by.into(), &seen["chain"][1]["pid"]));
    let exe = &seen["chain"][1]["exe"];
    assert_eq!(
        json!([exe["path"], exe["owner"], exe["writable"]]),
        json!([text(&program), User::A.uid(), true])
    );
    assert!(seen["missing"].as_str().unwrap().ends_with(&format!("--exe '{}'", text(&program))), "{seen}");
}

#[test]
fn of_others_it_takes_a_granted_terminal_or_the_password() {
    let world = World::unlocked();
    let own = picture(by_program(&world, "whoami --json"));
    assert!(
        own["grant"].is_null() && own["missing"].as_str().unwrap().contains("runs no script file"),
        "{own}"
    );
    let daemon = world.daemon_pid().to_string();
    picture(world.ctl(&["whoami", "--json", "--pid", &daemon]));
    let line = by_program(&world, &format!("whoami --pid {daemon}")).refused(4);
    assert!(line.contains("--password-fd N"), "{line}");
    assert_eq!(recorded(&world, "who-am-i", "denied")["by"], "policy");
    // A rule for a secret is none for looking around.
    let script = asker(&world, "deploy.py");
    let looks = "#!/usr/bin/python3\nimport subprocess, sys\nsys.exit(subprocess.call(sys.argv[1:]))\n";
    fs::write(&script, looks).unwrap();
    allow(&world, &["--secrets", "**", "--actions", "get,list,set,remove", "--script", text(&script)]).ok();
    world.program(&script, &["ctl", "whoami", "--pid", &daemon]).refused(4);
    for sealed in [["policy", "show"], ["settings", "show"], ["grants", "--json"], ["revoke", "1"]] {
        world.program(&script, &[&["ctl"][..], &sealed].concat()).refused(4);
    }
    let with_fd = by_program(&world, &format!("whoami --json --pid {daemon} --password-fd 0"));
    let seen = picture(with_fd.stdin(PASSWORD));
    assert_eq!(
        (&seen["subject"], &seen["chain"][0]["claims"]["name"]),
        (&world.daemon_pid().into(), &"glassdomed".into())
    );
    assert_eq!(recorded(&world, "who-am-i", "allowed")["by"], "master-password");
    by_program(&world, &format!("whoami --pid {daemon} --password-fd 0"))
        .stdin("wrong otters juggle")
        .refused(7);
    world.ctl(&["whoami", "--pid", "4194303"]).refused(2);

    // Locked, it tells so much: who asks, and that it is locked.
    world.ctl(&["lock"]).ok();
    let own = picture(by_program(&world, "whoami --json"));
    assert!(own["missing"].as_str().unwrap().starts_with("locked: "), "{own}");
    assert_eq!((&own["grant"], &own["rules"]), (&Value::Null, &json!([])));
    world.ctl(&["whoami", "--pid", &daemon]).refused(3);
}

/// A name that clears the screen, says something else, and begins a line.
const NAME: &str = "\u{1b}[2J\u{7}ok\n";

#[test]
fn nothing_a_process_calls_itself_reaches_a_terminal_raw() {
    let world = World::unlocked();
    world.set("db/a", "value a");
    let script = asker(&world, "deploy\u{1b}[31m\n\u{202e}yp.py");
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    // The same script, which renames its process first.
    let bytes = fs::read_to_string(&script).unwrap();
    let rename =
        format!("import ctypes\nctypes.CDLL(None).prctl(15, {:?}.encode(), 0, 0, 0)\n\nclass Asker:", NAME);
    fs::write(
        &script,
        bytes.replace("class Asker:", &rename.replace("\\u{1b}", "\\x1b").replace("\\u{7}", "\\x07")),
    )
    .unwrap();
    // Started through a name that can be typed.
    std::os::unix::fs::symlink(&script, world.home("link.py")).unwrap();

    let refused = told(asking(&world, "./link.py", &[], &["ctl", "get", "db/a"])).denied();
    clean(&refused);
    let by_client = told(asking(&world, "./link.py", &[], &["client", "get", "db/a"])).denied();
    assert!(by_client.contains("--like "), "no command with another path in it: {by_client}");
    clean(&by_client);

    let staying = Staying::new(&world, "link.py");
    let pid = staying.pid.to_string();
    let comm = fs::read(format!("/proc/{pid}/comm")).unwrap();
    assert!(comm.starts_with(b"\x1b[2J\x07ok"), "control: it is called so");
    // The terminal is one that was granted.
    let mut terminal = world.shell_at_terminal();
    terminal.send_line("ctl unlock --renew");
    terminal.expect("assword");
    terminal.send_line(PASSWORD);
    terminal.expect("[0] ");
    terminal.send_line(&format!("ctl whoami --pid {pid}"));
    let shown = terminal.expect("[0] ");
    assert!(shown.contains("deploy"), "{shown}");
    clean(&shown.replace('\n', " "));
    // JSON is for programs: it has escapes of its own for what would steer.
    terminal.send_line(&format!("ctl whoami --json --pid {pid}"));
    let shown = terminal.expect("[0] ");
    assert!(!shown.replace(['\n', '\r'], " ").contains(char::is_control), "{shown:?}");
    terminal.send_line(&format!("ctl policy allow --id odd --secrets 'db/*' --like {pid}"));
    let shown = terminal.expect("assword");
    assert!(shown.contains("script_sha256"), "{shown}");
    clean(&shown.replace('\n', " "));
    terminal.send_line(PASSWORD);
    terminal.expect("[0] ");
    for line in ["ctl policy show", "ctl grants"] {
        terminal.send_line(line);
        clean(&terminal.expect("[0] ").replace('\n', " "));
    }
    // And what is sealed is what it is called, not what is shown.
    told(asking(&world, "./link.py", &[], &["client", "get", "db/a"])).served("value a");
    with_password(&world, &["policy", "rm", "odd"]).ok();
    let log = fs::read_to_string(world.state().join("glassdome/audit.jsonl")).unwrap() + &world.daemon_log();
    for line in log.lines() {
        clean(line);
    }
}

#[track_caller]
fn clean(shown: &str) {
    let steers = |c: char| {
        c.is_control() && c != '\r' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!shown.contains(steers), "{shown:?}");
}
