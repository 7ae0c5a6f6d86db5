//! From a refusal to the rule that is missing: what the rules say to a request is told by its number, to a
//! granted terminal or for the password, also when whoever made it is gone.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/askers.rs"]
mod askers;
#[path = "support/scripts.rs"]
mod scripts;

use std::fs;
use std::path::Path;
use std::time::Duration;

use askers::{Told, allow, asker, asking, runner, told, with_password};
use glassdome_tests::{PASSWORD, World, text, wait_until};
use serde_json::{Value, json};

fn stage() -> World {
    let world = World::unlocked();
    world.set("db/a", "value a");
    world.set("other", "value b");
    world
}

fn ask(world: &World, script: &Path, request: &[&str]) -> Told {
    told(asking(world, text(script), &[], request))
}

/// The number in a refusal's line.
#[track_caller]
fn number(line: &str) -> String {
    let (_, rest) = line.split_once("(request ").unwrap_or_else(|| panic!("no number: {line}"));
    rest.split_once(')').unwrap().0.to_owned()
}

#[track_caller]
fn explained(world: &World, id: &str) -> Value {
    serde_json::from_slice(&world.ctl(&["policy", "explain", id, "--json"]).ok()).unwrap()
}

fn unmet(explained: &Value) -> Vec<(String, Value)> {
    let rules = explained["names"][0]["rules"].as_array().unwrap();
    rules.iter().map(|rule| (rule["id"].as_str().unwrap().to_owned(), rule["unmet"].clone())).collect()
}

#[test]
fn each_rule_that_covers_it_says_what_it_lacks() {
    let world = stage();
    let (script, other) = (asker(&world, "deploy.py"), asker(&world, "other.py"));
    let tool = runner(&world, "tool");
    allow(&world, &["--secrets", "db/*", "--script", text(&script), "--id", "bytes"]).ok();
    allow(&world, &["--secrets", "db/*", "--script", text(&other), "--id", "script"]).ok();
    allow(&world, &["--secrets", "db/*", "--exe", text(&tool), "--id", "exe"]).ok();
    allow(&world, &["--secrets", "db/*", "--unit", "api.service", "--id", "unit"]).ok();
    allow(&world, &["--secrets", "other", "--script", text(&script), "--id", "elsewhere"]).ok();
    allow(&world, &["--secrets", "db/*", "--actions", "set", "--script", text(&script), "--id", "action"])
        .ok();
    allow(&world, &["--secrets", "db/*", "--script", text(&script), "--expires", "1s", "--id", "over"]).ok();
    fs::write(&script, [&fs::read(&script).unwrap()[..], b"#"].concat()).unwrap();
    std::thread::sleep(Duration::from_secs(1));

    for way in ["client", "ctl"] {
        let id = number(&ask(&world, &script, &[way, "get", "db/a"]).denied());
        let told = explained(&world, &id);
        assert_eq!(told["request"].to_string(), id);
        assert_eq!((&told["action"], &told["script"]), (&"get".into(), &text(&script).into()));
        let name = &told["names"][0];
        assert_eq!(
            (&name["name"], &name["decision"], &name["by"]),
            (&"db/a".into(), &"ask".into(), &Value::Null)
        );
        let expected = [
            ("bytes", "script_sha256"),
            ("script", "script"),
            ("exe", "exe"),
            ("unit", "unit"),
            ("over", "expires"),
        ];
        assert_eq!(unmet(&told), expected.map(|(id, why)| (id.to_owned(), json!(why))), "{way}: {told:#}");
        let text = world.ctl(&["policy", "explain", &id]).output();
        let lines = String::from_utf8(text.stdout).unwrap();
        assert!(lines.contains("bytes   allow  the script has other bytes than were sealed"), "{lines}");
        assert!(text.stderr.contains("take the line script_sha256 of bytes away"), "{}", text.stderr);
    }

    // The way from there: what it says to do is done, and then it says so.
    let id = number(&ask(&world, &script, &["client", "get", "db/a"]).denied());
    allow(&world, &["--request", &id, "--id", "new"]).ok();
    let told = explained(&world, &id);
    assert_eq!(
        (&told["names"][0]["decision"], &told["names"][0]["by"]),
        (&"allow".into(), &"rule:new".into())
    );
    assert!(world.ctl(&["policy", "explain", &id]).output().stderr.contains("it would be allowed now"));
    ask(&world, &script, &["client", "get", "db/a"]).served("value a");
}

#[test]
fn listings_programs_and_what_was_typed_are_explained_too() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/*", "--script", text(&script)]).ok();
    let id = number(&ask(&world, &script, &["client", "list"]).denied());
    let told = explained(&world, &id);
    assert_eq!((&told["action"], &told["names"][0]["name"]), (&"list".into(), &Value::Null));
    assert_eq!(unmet(&told), []);
    let out = world.ctl(&["policy", "explain", &id]).output();
    assert!(String::from_utf8(out.stdout).unwrap().contains("list all names"));
    assert!(
        out.stderr.contains(&format!(
            "allow it for good, where a rule can name it: ctl policy allow --request {id}"
        )),
        "{}",
        out.stderr
    );

    // A program of its own, pinned only after it asked.
    let tool = runner(&world, "tool");
    let out = world.program(&tool, &["ctl", "get"]).stdin("db/a\n").output();
    let id = number(&out.stderr);
    assert_eq!(unmet(&explained(&world, &id)), [("deploy".to_owned(), json!("exe"))]);
    allow(&world, &["--secrets", "db/*", "--exe", text(&tool), "--id", "tool"]).ok();
    assert_eq!(unmet(&explained(&world, &id))[1], ("tool".to_owned(), Value::Null));
    world.shell("printf x >> tool").ok();
    let out = world.program(&tool, &["ctl", "get"]).stdin("db/a\n").output();
    let id = number(&out.stderr);
    assert_eq!(unmet(&explained(&world, &id))[1], ("tool".to_owned(), json!("exe_sha256")));

    // A question that waits, by a rule that wants it asked, of what was typed.
    with_password(&world, &["policy", "ask", "--secrets", "other", "--id", "careful"]).ok();
    let typed = world.ctl(&["get", "other"]).env("GLASSDOME_WAIT", "40s").start();
    let mut id = String::new();
    let asked = || {
        let open: Value = serde_json::from_str(&world.ctl(&["approvals", "--json"]).text()).unwrap();
        id = open[0]["id"].to_string();
        !open[0].is_null()
    };
    assert!(wait_until(asked, Duration::from_secs(20)));
    let told = explained(&world, &id);
    assert_eq!(
        (&told["names"][0]["decision"], &told["names"][0]["by"]),
        (&"ask".into(), &"rule:careful".into())
    );
    assert_eq!(unmet(&told), [("careful".to_owned(), Value::Null)]);
    assert!(world.ctl(&["policy", "explain", &id]).output().stderr.contains("ctl policy rm careful"));
    world.ctl(&["approve", &id, "--yes"]).ok();
    assert_eq!(typed.output().stdout, b"value b");
}

#[test]
fn a_request_is_explained_to_its_owner_only_and_as_long_as_it_is_remembered() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let id = number(&ask(&world, &script, &["client", "get", "db/a"]).denied());
    explained(&world, &id);
    let line = world.shell(&format!("setsid --wait ctl policy explain {id}")).refused(4);
    assert!(line.contains("only a terminal where the master password was typed"), "{line}");
    let elsewhere = world.shell(&format!("setsid --wait ctl policy explain {id} --json --password-stdin"));
    let told: Value = serde_json::from_slice(&elsewhere.stdin(PASSWORD).ok()).unwrap();
    assert_eq!(told, explained(&world, &id));
    let wrong = world.shell(&format!("setsid --wait ctl policy explain {id} --password-stdin"));
    wrong.stdin("wrong otters juggle plums").refused(7);

    let line = world.ctl(&["policy", "explain", "4711"]).refused(5);
    assert!(line.contains("there is no request of that number") && line.contains("ctl approvals"), "{line}");
    world.ctl(&["policy", "explain", "x"]).refused(2);
    world.ctl(&["lock"]).ok();
    world.ctl(&["policy", "explain", &id]).refused(3);
    assert!(wait_until(|| world.unlock(PASSWORD, &[]).code == 0, Duration::from_secs(20)));
    world.ctl(&["policy", "explain", &id]).refused(5);
    // Numbers go on: none means another request than it did.
    let later = number(&ask(&world, &script, &["client", "get", "db/a"]).denied());
    assert_ne!(later, id);
}
