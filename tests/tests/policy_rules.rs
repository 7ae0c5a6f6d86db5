//! What a rule may say besides whom it allows: that it keeps secrets back, from granted terminals too; so
//! often; until a date; only in a unit of the system's.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
mod askers;
#[path = "support/groups.rs"]
mod groups;
#[path = "support/scripts.rs"]
mod scripts;

use std::fs;
use std::path::Path;
use std::time::Duration;

use askers::{PYTHON, Staying, Told, allow, asker, asking, recorded, runner, told, with_password};
use glassdome_tests::{Run, World, text, wait_until};
use groups::Group;
use serde_json::Value;

fn stage() -> World {
    let world = World::unlocked();
    for (name, value) in [("db/a", "value a"), ("db/b", "value b"), ("other", "value c")] {
        world.set(name, value);
    }
    world
}

fn ask(world: &World, script: &Path, request: &[&str]) -> Told {
    told(asking(world, text(script), &[], request))
}

fn policy(world: &World, words: &[&str]) -> Run {
    with_password(world, &[&["policy"], words].concat())
}

fn shown(world: &World) -> Value {
    serde_json::from_slice(&world.ctl(&["policy", "show", "--json"]).ok()).unwrap()
}

#[test]
fn a_rule_that_denies_goes_before_rules_and_granted_terminals() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/*", "--script", "deploy.py", "--actions", "get,list"]).ok();
    let served = |name: &str, value: &str| {
        assert_eq!(world.ctl(&["get", name]).ok(), value.as_bytes());
        ask(&world, &script, &["client", "get", name]).served(value);
    };
    served("db/a", "value a");
    served("db/b", "value b");

    let sealed =
        policy(&world, &["deny", "--secrets", "db/b", "--id", "bait", "--actions", "get,list"]).text();
    assert!(sealed.contains("# hard: it holds for whatever asks") && sealed.contains("\"deny\""), "{sealed}");
    served("db/a", "value a");
    let line = world.ctl(&["get", "db/b"]).refused(4);
    assert!(line.contains("the sealed rule bait says so"), "{line}");
    assert_eq!(recorded(&world, "get", "denied")["by"], "rule:bait");
    for way in ["ctl", "client"] {
        assert!(ask(&world, &script, &[way, "get", "db/b"]).denied().contains("rule bait says so"));
        assert_eq!(ask(&world, &script, &[way, "list"]).got.as_deref(), Some("db/a\n"));
    }
    assert!(!world.ctl(&["list"]).text().contains("db/b"), "nor is its name shown");
    let rule = &shown(&world)[1];
    assert_eq!((&rule["strength"], &rule["exe"]), (&"hard".into(), &Value::Null));
    policy(&world, &["rm", "bait"]).ok();
    served("db/b", "value b");

    // About an interpreter it holds for whatever that runs, and for nothing else.
    policy(&world, &["deny", "--secrets", "db/*", "--exe", PYTHON, "--id", "python"]).ok();
    assert!(ask(&world, &script, &["client", "get", "db/a"]).denied().contains("rule python says so"));
    assert_eq!(world.ctl(&["get", "db/a"]).ok(), b"value a");
    policy(&world, &["rm", "python"]).ok();
    served("db/a", "value a");
}

#[test]
fn a_rate_is_kept_over_connections_and_processes() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/*", "--script", "deploy.py", "--rate", "3/h"]).ok();
    allow(&world, &["--secrets", "other", "--script", "deploy.py", "--id", "free"]).ok();
    for way in ["ctl", "client", "ctl"] {
        ask(&world, &script, &[way, "get", "db/a"]).served("value a");
    }
    for way in ["ctl", "client"] {
        let told = ask(&world, &script, &[way, "get", "db/b"]);
        assert_eq!((told.code, &told.got), (8, &None), "{}", told.why);
        let seconds =
            told.why.split("allows 3/h. Try again in ").nth(1).unwrap_or_else(|| panic!("{}", told.why));
        let seconds: u64 = seconds.trim_end_matches(" s").parse().unwrap();
        assert!((1..=1200).contains(&seconds), "{seconds}");
        assert!(told.why.contains("rule deploy "), "{}", told.why);
        assert_eq!(recorded(&world, "get", "denied")["by"], "rate:deploy");
    }
    // It is that rule's alone, and no terminal's.
    ask(&world, &script, &["client", "get", "other"]).served("value c");
    assert_eq!(world.ctl(&["get", "db/a"]).ok(), b"value a");
    // A session begins with all of it; one that counts by the second goes on by itself.
    world.ctl(&["lock"]).ok();
    world.start(glassdome_tests::PASSWORD);
    ask(&world, &script, &["client", "get", "db/a"]).served("value a");
    policy(&world, &["rm", "deploy"]).ok();
    allow(&world, &["--secrets", "db/*", "--script", "deploy.py", "--rate", "1/s"]).ok();
    let again = || ask(&world, &script, &["client", "get", "db/a"]).code == 0;
    assert!(again() && wait_until(again, Duration::from_secs(20)));
    for words in [["allow", "--rate", "0/s"], ["allow", "--rate", "60"], ["deny", "--rate", "1/s"]] {
        policy(&world, &[&words[..], &["--secrets", "a", "--script", "deploy.py"]].concat()).refused(2);
    }
}

#[test]
fn a_rule_ends_with_its_date() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let mut staying = Staying::new(&world, text(&script));
    let args = ["--secrets", "db/*", "--script", "deploy.py", "--expires"];
    allow(&world, &[&args[..], &["12s", "--id", "short"]].concat()).ok();
    staying.ask("client get db/a").served("value a");
    ask(&world, &script, &["ctl", "get", "db/a"]).served("value a");
    assert_eq!(shown(&world)[0]["expired"], false);
    assert!(wait_until(|| shown(&world)[0]["expired"] == true, Duration::from_secs(40)));
    for way in ["ctl", "client"] {
        // Also to who is connected already.
        staying.ask(&format!("{way} get db/a")).denied();
        ask(&world, &script, &[way, "get", "db/a"]).denied();
    }
    let text = world.ctl(&["policy", "show"]).text();
    assert!(text.contains("over: it says nothing any more"), "{text}");
    allow(&world, &[&args[..], &["2020-01-01"]].concat()).refused(2);
    allow(&world, &[&args[..], &["1d"]].concat()).ok();
    ask(&world, &script, &["client", "get", "db/a"]).served("value a");
    // What keeps back ends, too.
    policy(&world, &["deny", "--secrets", "db/a", "--expires", "10s", "--id", "pause"]).ok();
    ask(&world, &script, &["client", "get", "db/a"]).denied();
    let served = || ask(&world, &script, &["client", "get", "db/a"]).code == 0;
    assert!(wait_until(served, Duration::from_secs(40)));
}

#[test]
fn what_can_never_speak_is_told_before_it_is_sealed() {
    let world = stage();
    asker(&world, "deploy.py");
    let allowed = |glob: &str| {
        let out = allow(&world, &["--secrets", glob, "--script", "deploy.py"]).output();
        assert_eq!(out.code, 0, "{}", out.stderr);
        out.stderr
    };
    assert!(!allowed("db/a").contains("Warning"), "control");
    policy(&world, &["deny", "--secrets", "db/**", "--id", "wide"]).ok();
    let told = allowed("db/*");
    assert!(told.contains("Warning: the rule wide denies all that it names, and goes before it"), "{told}");
    let (warning, sealed) = (told.find("Warning").unwrap(), told.find("sealed as").unwrap());
    assert!(warning < sealed && told.matches("Warning").count() == 1, "{told}");
    assert!(!allowed("d*").contains("Warning"), "not all of it");
    let out = allow(&world, &["--secrets", "a", "--unit", "no-such-thing"]).output();
    assert!(out.stderr.contains("the system has no unit no-such-thing.service"), "{}", out.stderr);
    // Nothing of other rules is told to whoever may not see them, until the password is there.
    let draft =
        "setsid --wait ctl policy allow --secrets 'db/*' --script deploy.py --password-fd 9 9</dev/null";
    let line = world.shell(draft).output().stderr;
    assert!(!line.contains("wide"), "{line}");
    policy(&world, &["allow", "--secrets", "a"]).refused(2);
    policy(&world, &["allow", "--secrets", "a", "--unit", "a b"]).refused(2);
}

#[test]
fn it_is_told_which_rule_decides_and_why_others_do_not() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/*", "--script", "deploy.py"]).ok();
    allow(&world, &["--secrets", "other", "--script", "deploy.py", "--id", "name"]).ok();
    allow(&world, &["--secrets", "db/*", "--actions", "set", "--script", "deploy.py", "--id", "action"]).ok();
    allow(&world, &["--secrets", "db/*", "--script", text(&asker(&world, "b.py")), "--id", "script"]).ok();
    allow(&world, &["--secrets", "db/*", "--exe", text(&runner(&world, "program")), "--id", "exe"]).ok();
    allow(&world, &["--secrets", "db/*", "--unit", "no-such-thing", "--id", "unit"]).ok();
    let staying = Staying::new(&world, text(&script));
    let pid = staying.pid.to_string();
    let tested = |name: &str| -> Value {
        let out = world.ctl(&["policy", "test", "--json", "--pid", &pid, name]).ok();
        serde_json::from_slice(&out).unwrap()
    };
    let unmet = |tested: &Value| -> Vec<String> {
        let rules = tested["rules"].as_array().unwrap().iter();
        rules.map(|rule| rule["unmet"].as_str().unwrap_or("fits").to_owned()).collect()
    };
    let told = tested("db/a");
    assert_eq!((&told["decision"], &told["by"]), (&"allow".into(), &"rule:deploy".into()));
    assert_eq!(unmet(&told), ["fits", "secrets", "actions", "script", "exe", "unit"]);
    let told = world.ctl(&["policy", "test", "--pid", &pid, "db/a"]).text();
    assert!(told.starts_with("get db/a: allow (rule:deploy)\n  deploy  allow  fits\n"), "{told}");
    policy(&world, &["deny", "--secrets", "db/a", "--id", "bait"]).ok();
    let told = tested("db/a");
    assert_eq!((&told["decision"], &told["by"]), (&"deny".into(), &"rule:bait".into()));
    assert_eq!((&tested("db/b")["decision"], &tested("x")["decision"]), (&"allow".into(), &"ask".into()));
    // What changed since is another script, by its bytes.
    let bytes = fs::read(&script).unwrap();
    fs::write(&script, [&bytes[..], b"#"].concat()).unwrap();
    assert_eq!(unmet(&tested("db/b"))[0], "script_sha256");
    // No program may ask.
    world.shell(&format!("setsid --wait ctl policy test --pid {pid} db/a")).refused(4);
    let run = world.shell(&format!("setsid --wait ctl policy test --password-stdin --pid {pid} db/a"));
    assert!(run.stdin(glassdome_tests::PASSWORD).text().contains("rule:bait"));
}

#[test]
fn a_unit_is_what_only_root_puts_a_process_into() {
    let name = format!("glassdome-test-{}.service", std::process::id());
    let Some(group) = Group::new(&name) else {
        assert!(std::env::var_os("CI").is_none(), "CI has control groups of version 2 that root can make");
        eprintln!("LEFT OUT: rules about units, since no control group can be made here");
        return;
    };
    let world = stage();
    let script = asker(&world, "deploy.py");
    let sealed = allow(&world, &["--secrets", "db/*", "--unit", &name, "--id", "api"]).text();
    assert!(sealed.contains("# hard: only root") && sealed.contains("unit "), "{sealed}");
    let mut staying = Staying::new(&world, text(&script));
    let refused = |staying: &mut Staying| {
        for way in ["ctl", "client"] {
            staying.ask(&format!("{way} get db/a")).denied();
        }
    };
    staying.ask("ctl get db/a").denied();
    // Not by the user's own doing.
    let (procs, pid) = (group.procs(), staying.pid);
    let moved = world.shell(&format!("echo {pid} > {}", text(&procs))).output();
    assert_ne!(moved.code, 0, "{}", moved.stderr);
    staying.ask("ctl get db/a").denied();
    group.take(pid);
    for way in ["ctl", "client"] {
        staying.ask(&format!("{way} get db/a")).served("value a");
        staying.ask(&format!("{way} get other")).denied();
    }
    assert_eq!(recorded(&world, "get", "allowed")["by"], "rule:api");
    ask(&world, &script, &["client", "get", "db/a"]).denied();
    // With a program besides, both must be so.
    policy(&world, &["rm", "api"]).ok();
    let program = runner(&world, "program");
    allow(&world, &["--secrets", "db/*", "--unit", &name, "--exe", text(&program)]).ok();
    refused(&mut staying);
    allow(&world, &["--secrets", "db/*", "--unit", &name, "--script", text(&script)]).ok();
    staying.ask("client get db/a").served("value a");
    ask(&world, &script, &["client", "get", "db/a"]).denied();
}
