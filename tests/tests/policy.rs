//! Sealed rules say what a program is given that nobody typed: by file and by bytes, for the names and
//! actions that they name, until they are taken away; and a refusal tells how it would be allowed.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
mod askers;
#[path = "support/scripts.rs"]
mod scripts;
#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use askers::{PYTHON, Staying, Told, allow, asker, asking, recorded, runner, told, with_password};
use glassdome_tests::{PASSWORD, Run, User, World, text, wait_until};
use serde_json::{Value, json};

/// A world with secrets.
fn stage() -> World {
    let world = World::unlocked();
    for (name, value) in [("db/a", "value a"), ("db/b", "value b"), ("other", "value c")] {
        world.set(name, value);
    }
    world
}

/// The two ways in which a program asks.
const WAYS: [&str; 2] = ["ctl", "client"];

#[track_caller]
fn served(world: &World, script: &Path) {
    for way in WAYS {
        told(asking(world, text(script), &[], &[way, "get", "db/a"])).served("value a");
    }
}

#[track_caller]
fn denied(world: &World, program: &str, words: &[&str]) -> String {
    let asked = |way| told(asking(world, program, words, &[way, "get", "db/a"])).denied();
    let [by_ctl, by_client] = WAYS.map(asked);
    assert!(by_ctl.starts_with("ctl: denied db/a: ") && by_client.starts_with("denied db/a: "), "{by_ctl}");
    by_client
}

#[test]
fn a_rule_gives_a_script_what_it_names() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let ask = |request: &[&str]| told(asking(&world, text(&script), &[], request));
    let line = denied(&world, text(&script), &[]);
    assert!(line.contains("no rule allows it to python3") && line.contains("deploy.py"), "{line}");
    let record = recorded(&world, "get", "denied");
    assert_eq!((&record["by"], &record["secret"]), (&"policy".into(), &"db/a".into()));

    let sealed = allow(&world, &["--secrets", "db/*", "--script", "deploy.py"]).text();
    assert!(sealed.contains("id            = \"deploy\"") && sealed.contains("# weak"), "{sealed}");
    for way in WAYS {
        ask(&[way, "get", "db/a"]).served("value a");
        let record = recorded(&world, "get", "allowed");
        assert_eq!((&record["by"], &record["secret"]), (&"rule:deploy".into(), &"db/a".into()));
        // The log names the script, behind `ctl` or not.
        assert_eq!(record["judged"]["script"], text(&script), "{record}");
        assert_eq!(record["judged"]["pid"] == record["peer"]["kernel"]["pid"], way != "ctl", "{record}");
        for request in [["get", "other"], ["get", "db/none/below"], ["set", "db/a"], ["remove", "db/a"]] {
            ask(&[way, request[0], request[1]]).denied();
        }
        ask(&[way, "list"]).denied();
        // Not even whether there is such a secret.
        assert_eq!(ask(&[way, "get", "db/nothing"]).code, 5, "which a rule's owner may know");
        assert!(!ask(&[way, "get", "nothing"]).denied().contains("no secret"));
    }
    // What is typed is no program's business.
    assert_eq!(world.ctl(&["get", "other"]).ok(), b"value c");
    let by = recorded(&world, "get", "allowed")["by"].as_str().unwrap().to_owned();
    assert!(by.strip_prefix("terminal:").is_some_and(|number| number.parse::<u32>().is_ok()), "{by}");

    allow(&world, &["--secrets", "db/b,nowhere", "--actions", "list", "--script", "deploy.py"]).ok();
    for way in WAYS {
        assert_eq!(ask(&[way, "list"]).got.as_deref(), Some("db/b\n"), "only what the rule lets be seen");
    }
    assert_eq!(recorded(&world, "list", "allowed")["by"], "rule:deploy-2");
    allow(&world, &["--secrets", "db/b", "--actions", "set,remove", "--script", "deploy.py"]).ok();
    assert_eq!(ask(&["client", "set", "db/b"]).code, 0);
    assert_eq!(world.ctl(&["get", "db/b"]).ok(), b"a new value");
    assert_eq!(ask(&["ctl", "remove", "db/b"]).code, 0);
    ask(&["ctl", "set", "db/a"]).denied();
}

#[test]
fn what_is_not_that_script_is_refused() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/*", "--script", text(&script)]).ok();
    served(&world, &script);
    told(asking(&world, PYTHON, &["-u", text(&script)], &["client", "get", "db/a"])).served("value a");

    let (copy, link) = (asker(&world, "copy.py"), world.home("link.py"));
    denied(&world, text(&copy), &[]);
    symlink(&script, &link).unwrap();
    // A link leads to the same file, and Python looks for modules where that lies.
    served(&world, &link);
    let elsewhere = world.home("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::hard_link(&script, elsewhere.join("deploy.py")).unwrap();
    denied(&world, text(&elsewhere.join("deploy.py")), &[]);

    let before = fs::read(&script).unwrap();
    fs::write(&script, [&before[..], b"#"].concat()).unwrap();
    let line = denied(&world, text(&script), &[]);
    assert!(line.contains("changed since rule deploy allowed it"), "{line}");
    fs::write(&script, &before).unwrap();
    served(&world, &script);
    fs::rename(&script, world.home("renamed.py")).unwrap();
    denied(&world, text(&world.home("renamed.py")), &[]);
    fs::rename(world.home("renamed.py"), &script).unwrap();
    served(&world, &script);

    // Another interpreter; and none of its own script.
    let python = world.top().join("python3");
    scripts::copied(&fs::canonicalize(PYTHON).unwrap(), &python);
    denied(&world, text(&python), &[text(&script)]);
    let run = format!(
        "import runpy, sys; sys.argv[0] = ''; runpy.run_path({:?}, run_name='__main__')",
        text(&script)
    );
    let line = denied(&world, PYTHON, &["-c", &run]);
    assert!(line.contains("runs no script file: no rule can name it"), "{line}");
    denied(&world, PYTHON, &["-m", "deploy"]);
    denied(&world, PYTHON, &["-i", text(&script)]);
    for way in WAYS {
        let run = asking(&world, PYTHON, &["-"], &[way, "get", "db/a"]).stdin(&before[..]);
        assert!(told(run).denied().contains("runs no script file"));
    }
    served(&world, &script);
}

#[test]
fn a_link_in_the_place_of_an_allowed_program_leads_nowhere() {
    let world = stage();
    let program = runner(&world, "program");
    if !rustix::process::geteuid().is_root() {
        eprintln!("LEFT OUT: a program of root's in a user's directory: it needs root");
        return;
    }
    std::os::unix::fs::lchown(&program, Some(0), Some(0)).unwrap();
    allow(&world, &["--secrets", "db/*", "--exe", text(&program)]).ok();
    assert_eq!(run(&world, &program, "db/a").ok(), b"value a", "control");
    // Whose directory it is decides what lies there, whoever owns the file.
    let told = world.ctl(&["policy", "show"]).text();
    assert!(told.contains("exe_sha256"), "{told}");
    fs::rename(&program, world.home("elsewhere")).unwrap();
    // One that root alone can change, with other bytes.
    symlink("/usr/bin/find", &program).unwrap();
    let find = ["/etc/hostname", "-exec", "ctl", "get", "db/a", ";"];
    let line = world.program(Path::new("/usr/bin/find"), &find).output().stderr;
    assert!(line.starts_with("ctl: denied db/a: "), "{line}");
}

#[test]
fn a_process_that_runs_can_be_pointed_at() {
    let world = stage();
    let script = asker(&world, "service.py");
    let mut staying = Staying::new(&world, text(&script));
    assert!(staying.ask("client get db/a").denied().contains("service.py"));
    let pid = staying.pid.to_string();
    allow(&world, &["--secrets", "db/*", "--like", &pid, "--id", "service"]).ok();
    for way in WAYS {
        staying.ask(&format!("{way} get db/a")).served("value a");
    }
    served(&world, &script);
    denied(&world, text(&asker(&world, "copy.py")), &[]);

    // Taken away, it is taken away from who is connected already.
    with_password(&world, &["policy", "rm", "service"]).ok();
    for way in WAYS {
        staying.ask(&format!("{way} get db/a")).denied();
    }

    // A program of its own, which root cannot vouch for: its bytes are pinned.
    let program = runner(&world, "program");
    let mut terminal = world.terminal("stty -echo; echo $$; exec ./program -n 1 ctl get");
    let pid = terminal.expect("\n").trim().to_owned();
    assert!(wait_until(|| waits_in(&pid, &program), Duration::from_secs(10)));
    let sealed = allow(&world, &["--secrets", "db/*", "--like", &pid]).text();
    assert!(sealed.contains("exe_sha256"), "{sealed}");
    terminal.send("db/a\n");
    terminal.expect("value a");
    terminal.send("other\n");
    terminal.expect("denied other");
    drop(terminal);
    assert_eq!(run(&world, &program, "db/a").ok(), b"value a");
    assert_eq!(recorded(&world, "get", "allowed")["by"], "rule:program");
    // What lies at its path by now is not what it runs.
    let mut terminal = world.terminal("stty -echo; echo $$; exec ./program -n 1 ctl get");
    let pid = terminal.expect("\n").trim().to_owned();
    assert!(wait_until(|| waits_in(&pid, &program), Duration::from_secs(10)));
    fs::remove_file(&program).unwrap();
    let line = allow(&world, &["--secrets", "db/*", "--like", &pid]).refused(2);
    assert!(line.contains("no longer lies where it was started from"), "{line}");
}

/// Whether a process has executed this program and waits for something: before that, it is still about to change.
fn waits_in(pid: &str, program: &Path) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let waits = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'));
    waits && fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)
}

/// A program that asks by `ctl` for the names that it reads.
fn run(world: &World, program: &Path, name: &str) -> Run {
    world.program(program, &["-d", "\\n", "-n", "1", "ctl", "get"]).stdin(format!("{name}\n"))
}

#[test]
fn a_refusal_tells_the_command_that_would_allow_it() {
    let world = stage();
    let names = ["it's", "a,b", "c*d", "-e f", "кл юч"];
    for name in names {
        world.ctl(&["set", "--stdin", "--", name]).stdin("v").ok();
    }
    let allow_as_told = |line: &str| {
        let (_, command) = line.split_once("Allow: ").or_else(|| line.split_once("then: ")).unwrap();
        // Each command takes its password from a file.
        let typed = command.replace(" && ", " --password-stdin <pw && ");
        world.file("pw", PASSWORD);
        world.shell(&format!("{typed} --password-stdin <pw")).ok();
    };
    let plain = asker(&world, "deploy.py");
    let strange = asker(&world, "it's a \"script\" $HOME.py");
    let without_line = asker(&world, "without");
    let bytes = fs::read_to_string(&without_line).unwrap();
    fs::write(&without_line, bytes.split_once('\n').unwrap().1).unwrap();
    let other = world.top().join("python3");
    scripts::copied(&fs::canonicalize(PYTHON).unwrap(), &other);
    let asks: [(&str, Vec<&str>); 4] = [
        (text(&plain), vec![]),
        (text(&strange), vec![]),
        (PYTHON, vec![text(&without_line)]),
        (text(&other), vec![text(&plain)]),
    ];
    let requests = names.map(|name| ["get", name]);
    let requests = requests.into_iter().chain([["set", "db/a"], ["remove", "db/b"], ["list", ""]]);
    for (at, request) in requests.enumerate() {
        let (program, words) = &asks[at % asks.len()];
        let request = if request[1].is_empty() { &request[..1] } else { &request[..] };
        let ask = |way| told(asking(&world, program, words, &[&[way], request].concat()));
        let line = if at % 2 == 0 || request[1..] == ["-e f"] { ask("client") } else { ask("ctl") }.denied();
        allow_as_told(&line);
        assert_eq!(ask("client").code, 0, "{line}");
    }

    let program = runner(&world, "program");
    let line = run(&world, &program, "db/a").output().stderr;
    allow_as_told(line.lines().next().unwrap());
    assert_eq!(run(&world, &program, "db/a").ok(), b"a new value");

    let script = fs::read(&strange).unwrap();
    allow(&world, &["--secrets", "db/a", "--script", text(&strange), "--id", "old"]).ok();
    fs::write(&strange, [&script[..], b"#"].concat()).unwrap();
    let ask = || told(asking(&world, text(&strange), &[], &["client", "get", "db/a"]));
    let line = ask().denied();
    assert!(line.contains("changed since rule "), "{line}");
    allow_as_told(&line);
    ask().served("a new value");

    // Where no command would help, none is told.
    let line = told(asking(&world, PYTHON, &["-"], &["client", "get", "db/a"]).stdin(script)).denied();
    assert!(!line.contains("ctl policy"), "{line}");
}

#[test]
fn what_is_no_rule_is_refused_and_says_why() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let args = ["--secrets", "db/*", "--script", "deploy.py"];
    let line = allow(&world, &["--secrets", "**", "--exe", PYTHON]).refused(2);
    assert!(
        line.contains("a rule for it would be a rule for every program. Name the script: --script F"),
        "{line}"
    );
    let line = allow(&world, &["--secrets", "**", "--exe", "deploy.py"]).refused(2);
    assert!(line.contains("deploy.py is a script: say --script '/"), "{line}");
    let mut staying = world.terminal("stty -echo; exec sh -c 'echo $$; read -r line; :'");
    let pid = staying.expect("\n").trim().to_owned();
    assert!(allow(&world, &["--secrets", "**", "--like", &pid]).refused(2).contains("every program"));
    assert!(
        allow(&world, &["--secrets", "**", "--like", "1"]).refused(2).contains("no such process of yours")
    );
    allow(&world, &["--secrets", "**", "--script", "nowhere.py"]).refused(2);
    allow(&world, &["--secrets", "**", "--script", "deploy.py", "--exe", "/usr/bin/xargs"]).refused(2);
    allow(&world, &[&args[..], &["--id", "a b"]].concat()).refused(2);
    allow(&world, &[&args[..], &["--actions", "admin"]].concat()).refused(2);

    let line = world.ctl(&[&["policy", "allow"], &args[..]].concat()).refused(13);
    assert!(line.contains("--password-fd"), "{line}");
    assert!(with_password(&world, &["policy", "rm", "none"]).refused(5).contains("ctl policy show"));
    allow(&world, &[&args[..], &["--id", "one"]].concat()).ok();
    assert!(allow(&world, &[&args[..], &["--id", "one"]].concat()).refused(9).contains("one already"));
    with_password(&world, &["policy", "rm", "one"]).ok();
    let wrong = world.ctl(&[&["policy", "allow", "--password-stdin"], &args[..]].concat());
    assert!(wrong.stdin("wrong otters juggle plums").refused(7).contains("wrong password"));
    assert_eq!(recorded(&world, "change-rules", "denied")["by"], "wrong-password");
    assert_eq!(world.ctl(&["policy", "show", "--json"]).ok(), b"[]\n");
    denied(&world, text(&script), &[]);
}

#[test]
fn a_script_that_changes_while_somebody_is_asked_is_not_sealed() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let before = fs::read(&script).unwrap();
    let seal = |meanwhile: &dyn Fn()| {
        let mut terminal = world.terminal("ctl policy allow --secrets 'db/*' --script deploy.py");
        terminal.expect("script_sha256");
        terminal.expect("Master password: ");
        meanwhile();
        terminal.send_line(PASSWORD);
        let code = terminal.end();
        (code, terminal.shown().to_owned())
    };
    let changed = |what: &str| format!("{what} changed since it was shown: nothing was sealed");
    let (code, told) = seal(&|| fs::write(&script, [&before[..], b"#"].concat()).unwrap());
    assert!(code == 9 && told.contains(&changed("the script")), "{code}: {told}");
    // Another interpreter of the same script.
    let (code, told) = seal(&|| {
        let from = before.iter().position(|byte| *byte == b'\n').unwrap();
        fs::write(&script, [b"#!/bin/sh", &before[from..]].concat()).unwrap();
    });
    assert!(code == 9 && told.contains(&changed("the program and its script")), "{code}: {told}");
    assert_eq!(shown(&world), json!([]));
    // Not for a moment: a rule that came and went would be in the log.
    let sealings = || world.audit().iter().filter(|record| record["event"] == "change-rules").count();
    assert_eq!(sealings(), 0);
    fs::write(&script, &before).unwrap();
    denied(&world, text(&script), &[]);

    let (code, told) = seal(&|| {});
    assert!(code == 0 && told.contains("sealed as deploy"), "control: {told}");
    assert_eq!(sealings(), 1);
    served(&world, &script);
}

fn shown(world: &World) -> Value {
    serde_json::from_slice(&world.ctl(&["policy", "show", "--json"]).ok()).unwrap()
}

#[test]
fn rules_are_sealed_and_outlast_sessions_and_daemons() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/*", "--secrets", "x", "--script", text(&script)]).ok();
    let rules = shown(&world);
    let rule = &rules[0];
    let python = fs::canonicalize(PYTHON).unwrap();
    assert_eq!(
        json!([
            rule["id"],
            rule["decision"],
            rule["secrets"],
            rule["actions"],
            rule["exe"],
            rule["strength"]
        ]),
        json!(["deploy", "allow", ["db/*", "x"], ["get"], { "path": text(&python), "sha256": null }, "weak"])
    );
    assert_eq!(rule["script"]["path"], text(&script));
    assert_eq!(rule["script"]["sha256"].as_str().map(str::len), Some(64));

    // To a program they are not shown, rule or not; to whoever has the password they are.
    let line = world.shell("setsid --wait ctl policy show").refused(4);
    assert!(line.contains("only a terminal where the master password was typed"), "{line}");
    let run = world.shell("setsid --wait ctl policy show --json --password-stdin").stdin(PASSWORD);
    assert_eq!(serde_json::from_slice::<Value>(&run.ok()).unwrap(), rules);

    world.ctl(&["lock"]).ok();
    for way in WAYS {
        assert_eq!(told(asking(&world, text(&script), &[], &[way, "get", "db/a"])).code, 3);
    }
    with_password(&world, &["policy", "rm", "deploy"]).refused(3);
    // The password seals a rule without a session; it opens none.
    allow(&world, &["--secrets", "other", "--script", text(&script), "--id", "later"]).ok();
    assert_eq!(world.status()["state"], "locked");
    assert_eq!(told(asking(&world, text(&script), &[], &["client", "get", "other"])).code, 3);
    world.start(PASSWORD);
    served(&world, &script);
    told(asking(&world, text(&script), &[], &["client", "get", "other"])).served("value c");
    with_password(&world, &["policy", "rm", "later"]).ok();
    world.daemon().unwrap().kill();
    world.start(PASSWORD);
    served(&world, &script);
    assert_eq!(shown(&world), rules);
}

#[test]
fn rules_that_were_edited_on_the_disk_open_nothing() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/*", "--script", text(&script)]).ok();
    let rows = |world: &World| -> Vec<Value> {
        let copy = world.home("copy");
        fs::copy(world.vault(), &copy).unwrap();
        User::A.own(&copy).unwrap();
        let rows = world.program(&tools::tool(world, env!("CARGO_BIN_EXE_rows")), &[text(&copy)]).text();
        rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let bytes = |row: &Value| -> Vec<u8> {
        let hex = row["row"].as_str().unwrap();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    // In good order: what was acknowledged is in the vault's file then.
    world.ctl(&["stop"]).ok();
    let rows = rows(&world);
    // The key is the setting's name.
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let row = bytes(rows.iter().find(|row| row["key"] == hex("policy").as_str()).unwrap());
    let vault = fs::read(world.vault()).unwrap();
    let places: Vec<usize> =
        vault.windows(row.len()).enumerate().filter(|(_, at)| *at == row).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    let mut edited = vault.clone();
    for at in &places {
        edited[at + row.len() / 2] ^= 1;
    }
    fs::write(world.vault(), &edited).unwrap();
    let line = world.unlock(PASSWORD, &[]).refused(10);
    assert!(line.contains("damaged"), "{line}");
    assert_eq!(told(asking(&world, text(&script), &[], &["client", "get", "db/a"])).code, 3);
    world.ctl(&["get", "db/a"]).refused(3);

    // Control: what was there before opens.
    world.daemon().unwrap().kill();
    fs::write(world.vault(), &vault).unwrap();
    world.start(PASSWORD);
    served(&world, &script);
}

/// Kept out of the way of the tests above: what a rule's owner may see of it is no secret of the vault.
#[test]
fn what_a_rule_hides_is_hidden_in_every_answer() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/a", "--actions", "get,list", "--script", text(&script)]).ok();
    let ask = |request: &[&str]| told(asking(&world, text(&script), &[], request));
    let same = |told: Told, name: &str| {
        let line = told.denied().replace(name, "NAME");
        let digits = |c: char| c.is_ascii_digit();
        let without = |line: String, number: &str| {
            let (before, after) = line.split_once(number).unwrap();
            format!("{before}{}", after.trim_start_matches(digits))
        };
        without(without(line, "(pid "), "(request ")
    };
    assert_eq!(
        same(ask(&["client", "get", "other"]), "other"),
        same(ask(&["client", "get", "none"]), "none")
    );
    assert_eq!(ask(&["ctl", "list"]).got.as_deref(), Some("db/a\n"));
}
