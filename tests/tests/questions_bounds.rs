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

use askers::recorded;
use glassdome_tests::{Started, World, text};
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
