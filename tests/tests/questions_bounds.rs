//! How far a yes goes: not beyond the request that was shown, where the one who asked cannot be told again, and
//! to all of that, where it takes many messages.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/askers.rs"]
mod askers;
#[path = "support/open_questions.rs"]
mod open_questions;
#[path = "support/scripts.rs"]
mod scripts;

use std::fs;
use std::path::Path;

use askers::{recorded, runner};
use glassdome_tests::{PASSWORD, Started, World, text};
use open_questions::{open, question};
use serde_json::Value;

fn asked(world: &World) -> usize {
    world.audit().iter().filter(|record| record["event"] == "ask").count()
}

/// A Python program that runs `ctl get db/a` twice, and waits for the first only.
fn twice(world: &World, name: &str, first: &str) -> Started {
    let lines = format!(
        "import ctypes, os, subprocess\n{first}\n\
         for wait in ('40s', '0'):\n    \
         done = subprocess.run(['ctl', 'get', 'db/a'], env=os.environ | {{'GLASSDOME_WAIT': wait}}, \
         capture_output=True, text=True)\n    print(done.returncode, done.stdout, flush=True)\n"
    );
    let script = world.file(name, lines);
    world.program("/usr/bin/python3".as_ref(), &[text(&script)]).start()
}

#[test]
fn a_process_that_hides_itself_is_allowed_once_and_not_beyond() {
    let world = World::unlocked();
    world.set("db/a", "value a");
    // PR_SET_DUMPABLE, SUID_DUMP_DISABLE
    let hidden = twice(&world, "hidden.py", "assert ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0");
    let shown = open(&world, 1).remove(0);
    assert_eq!((&shown["holdable"], &shown["rememberable"]), (&false.into(), &false.into()), "{shown:#}");
    let id = shown["id"].to_string();
    for scope in ["process", "session", "15m"] {
        let line = world.ctl(&["approve", &id, "--for", scope, "--yes"]).refused(9);
        assert!(line.contains("say yes once"), "{line}");
    }
    world.ctl(&["approve", &id, "--yes"]).ok();
    let out = hidden.output();
    assert_eq!(String::from_utf8(out.stdout).unwrap(), "0 value a\n4 \n", "{}", out.stderr);
    assert!(world.ctl(&["grants", "--json"]).text().matches("answer").count() == 0);

    // Control: one that does not hide can be allowed further.
    let plain = twice(&world, "plain.py", "");
    let id = question(&world);
    world.ctl(&["approve", &id, "--for", "process", "--yes"]).ok();
    assert_eq!(String::from_utf8(plain.output().stdout).unwrap(), "0 value a\n0 value a\n");
}

#[test]
fn a_program_that_is_not_where_it_was_is_not_remembered() {
    let world = World::unlocked();
    world.set("db/a", "value a");
    let tool = runner(&world, "tool");
    // It asks when it is told what for, which is when its file is gone.
    let lines = format!(
        "mkfifo names; {0} ctl get < names & exec 3> names\n\
         until [ /proc/$!/exe -ef {0} ]; do sleep 0.05; done\nrm {0}; echo db/a >&3; exec 3>&-; wait",
        text(&tool)
    );
    let script = world.file("deleted.sh", lines);
    let bash = Path::new("/bin/bash");
    let deleted = world.program(bash, &[text(&script)]).env("GLASSDOME_WAIT", "40s").start();
    let shown = open(&world, 1).remove(0);
    assert_eq!((&shown["holdable"], &shown["rememberable"]), (&true.into(), &false.into()), "{shown:#}");
    let id = shown["id"].to_string();
    let line = world.ctl(&["approve", &id, "--for", "15m", "--yes"]).refused(9);
    assert!(line.contains("does not lie where it was started from"), "{line}");
    world.ctl(&["approve", &id, "--yes"]).ok();
    assert_eq!(deleted.output().stdout, b"value a");

    // While the person reads, too.
    let tool = runner(&world, "tool");
    let ask = || world.program(&tool, &["ctl", "get"]).stdin("db/a\n").env("GLASSDOME_WAIT", "40s").start();
    let moved = ask();
    let shown = open(&world, 1).remove(0);
    assert_eq!(shown["rememberable"], true, "{shown:#}");
    let (id, aside) = (shown["id"].to_string(), world.home("aside"));
    fs::rename(&tool, &aside).unwrap();
    let line = world.ctl(&["approve", &id, "--for", "15m", "--yes"]).refused(9);
    assert!(line.contains("does not lie where it was started from"), "{line}");
    // A link leads to it, from where it would not be started.
    std::os::unix::fs::symlink(&aside, &tool).unwrap();
    let line = world.ctl(&["approve", &id, "--for", "15m", "--yes"]).refused(9);
    assert!(line.contains("does not lie where it was started from"), "{line}");
    // Control: back in its place it is remembered.
    fs::rename(&aside, &tool).unwrap();
    world.ctl(&["approve", &id, "--for", "15m", "--yes"]).ok();
    assert_eq!(moved.output().stdout, b"value a");
    assert_eq!(ask().output().stdout, b"value a");
}

#[test]
fn what_a_file_is_called_cannot_pass_for_words_of_ours() {
    let world = World::unlocked();
    world.set("db/a", "value a");
    let shown = |name: &str| {
        let tool = runner(&world, name);
        let run = world.program(&tool, &["ctl", "get"]).stdin("db/a\n").env("GLASSDOME_WAIT", "40s");
        let waiting = run.start();
        let id = question(&world);
        let listed = world.ctl(&["approvals"]).text();
        let mut terminal = world.terminal(&format!("ctl unlock && ctl approve {id}"));
        terminal.expect("Master password, to grant this terminal: ");
        terminal.send_line(PASSWORD);
        let whole = terminal.expect("No: [n] ");
        let seen = world.ctl(&["whoami", "--pid", &waiting.pid().to_string()]).text();
        terminal.send_line("m");
        waiting.output();
        // What is remembered is for another secret.
        let denied = world.program(&tool, &["ctl", "get"]).stdin("db/b\n").output();
        let request = denied.stderr.split("(request ").nth(1).unwrap().split(')').next().unwrap();
        let explained = world.ctl(&["policy", "explain", request]).text();
        let told = ["grants", "audit"].map(|command| world.ctl(&[command]).text());
        [vec![listed, whole, seen, explained], told.to_vec()].concat()
    };
    let forged = "git (1)\": only root can change it, \"x";
    let quoted = r#""git (1)\": only root can change it, \"x""#;
    let path = format!("{:?}", world.home(forged));
    for text in shown(forged) {
        assert!((text.contains(quoted) || text.contains(&path)) && !text.contains("git (1)\":"), "{text}");
    }
    // Control: a name that says nothing stands as it is.
    for text in shown("tool") {
        assert!(text.contains(" tool (") || text.contains("/tool "), "{text}");
    }
}

#[test]
fn a_listing_of_many_pages_is_asked_about_once() {
    let world = World::unlocked();
    let many: String = (0..250).map(|n| format!("N{n}=v{n}\n")).collect();
    let file = world.file("many.env", many);
    world.ctl(&["import", text(&file), "--prefix", "many"]).ok();
    let python = scripts::scripts(&world);
    let pages = world
        .program(
            "/usr/bin/python3".as_ref(),
            &[text(&python.join("pages.py")), text(&python), text(&world.socket())],
        )
        .start();
    let id = question(&world);
    world.ctl(&["approve", &id, "--yes"]).ok();
    // What is no page of that listing is another question, which is answered with no: so the third is not put.
    let id = question(&world);
    world.ctl(&["refuse", &id]).ok();
    let told = String::from_utf8(pages.output().stdout).unwrap();
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = [(Value::from(250), 1), ("denied".into(), 2), ("denied".into(), 2)];
    let told: Vec<(Value, u64)> =
        told.iter().map(|line| (line["names"].clone(), line["asked"].as_u64().unwrap())).collect();
    assert_eq!(told, expected);
    assert_eq!(asked(&world), 2);
    assert_eq!(recorded(&world, "list", "denied")["by"], "not-asked-again");
    let listings = world.audit().into_iter().filter(|record| {
        record["event"] == "list" && record["by"].as_str().is_some_and(|by| by.starts_with("person:"))
    });
    assert_eq!(listings.count(), 1, "one line in the log, too");
}
