//! What no rule speaks about waits for the person: who asks is shown, a yes binds to what was shown, a no
//! gives rest, and nothing but a person's answer turns a question into a secret.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
mod askers;
#[path = "support/open_questions.rs"]
mod open_questions;
#[path = "support/scripts.rs"]
mod scripts;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use askers::{Staying, Told, allow, asker, asking, recorded, runner, told, with_password};
use glassdome_tests::{Started, World, text, wait_until};
use open_questions::{open, question};

/// Longer than any answer here takes, shorter than the tests' own patience.
const LONG: &str = "40s";

/// A world with secrets.
fn stage() -> World {
    let world = World::unlocked();
    for (name, value) in [("db/a", "value a"), ("db/b", "value b")] {
        world.set(name, value);
    }
    world
}

/// Starts the script, which asks by `ctl` for `name` and waits.
fn start(world: &World, script: &Path, name: &str) -> Started {
    asking(world, text(script), &[], &["ctl", "get", name]).env("GLASSDOME_WAIT", LONG).start()
}

fn read(waiting: Started) -> Told {
    Told::of(waiting.output())
}

/// Asks, and does not wait.
fn at_once(world: &World, script: &Path, name: &str) -> Told {
    told(asking(world, text(script), &[], &["ctl", "get", name]))
}

/// Has the script ask, and says yes to it.
#[track_caller]
fn approved(world: &World, script: &Path, name: &str, scope: &str) {
    let waiting = start(world, script, name);
    world.ctl(&["approve", &question(world), "--for", scope, "--yes"]).ok();
    read(waiting).served("value a");
}

#[test]
fn a_yes_is_for_what_was_asked_and_no_more() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let waiting = start(&world, &script, "db/a");
    let shown = open(&world, 1).remove(0);
    let id = shown["id"].to_string();
    assert_eq!((&shown["deed"], &shown["names"][0]), (&"get".into(), &"db/a".into()), "{shown:#}");
    assert_eq!(shown["script"]["path"], text(&script), "{shown:#}");
    assert_eq!(shown["script"]["sha256"].as_str().unwrap().len(), 64);
    assert!(shown["line"].as_array().unwrap().iter().any(|name| name == "deploy.py"), "{shown:#}");
    let listed = world.ctl(&["approvals"]).text();
    assert!(listed.contains("get db/a") && listed.contains("deploy.py"), "{listed}");

    world.ctl(&["approve", &id, "--yes"]).ok();
    let told = read(waiting);
    told.served("value a");
    let waits = format!("waiting for you: type 'ctl approve {id}' in an unlocked terminal (");
    assert!(told.why.contains(&waits), "{}", told.why);
    assert_eq!(recorded(&world, "ask", "allowed")["by"], format!("question:{id}"));
    assert_eq!(recorded(&world, "approve", "allowed")["by"], format!("question:{id}"));
    let record = recorded(&world, "get", "allowed");
    assert_eq!((&record["by"], &record["secret"]), (&format!("person:{id}").into(), &"db/a".into()));
    assert_eq!(record["judged"]["script"], text(&script));

    // Said once, it was for that once; and an answer is given once.
    at_once(&world, &script, "db/a").denied();
    at_once(&world, &script, "db/b").denied();
    for command in ["approve", "refuse"] {
        let words = [command, &id, "--yes"];
        world.ctl(&words[..if command == "approve" { 3 } else { 2 }]).refused(5);
    }
    assert!(world.ctl(&["approvals", "--json"]).text().trim() == "[]");
}

#[test]
fn a_remembered_yes_binds_to_the_bytes_that_asked() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    approved(&world, &script, "db/a", "session");
    let answer = recorded(&world, "approve", "allowed")["by"].as_str().unwrap().to_owned();
    at_once(&world, &script, "db/a").served("value a");
    assert_eq!(recorded(&world, "get", "allowed")["by"], answer.as_str());
    at_once(&world, &script, "db/b").denied();
    at_once(&world, &asker(&world, "copy.py"), "db/a").denied();
    let grants = world.ctl(&["grants"]).text();
    assert!(grants.contains("deploy.py") && grants.contains("get db/a"), "{grants}");

    let before = fs::read(&script).unwrap();
    fs::write(&script, [&before[..], b"#"].concat()).unwrap();
    let line = at_once(&world, &script, "db/a").denied();
    assert!(line.contains("changed since you allowed it"), "{line}");
    fs::write(&script, &before).unwrap();
    at_once(&world, &script, "db/a").served("value a");

    let number = answer.strip_prefix("answer:").unwrap();
    world.ctl(&["revoke", number]).ok();
    at_once(&world, &script, "db/a").denied();
    world.ctl(&["revoke", number]).refused(5);
}

#[test]
fn a_script_that_is_changed_while_it_is_asked_about_is_allowed_as_it_was() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let waiting = start(&world, &script, "db/a");
    let id = question(&world);
    let before = fs::read(&script).unwrap();
    fs::write(&script, [&before[..], b"# and more"].concat()).unwrap();
    world.ctl(&["approve", &id, "--for", "session", "--yes"]).ok();
    // The process that was shown runs what was shown.
    read(waiting).served("value a");
    at_once(&world, &script, "db/a").denied();
    fs::write(&script, &before).unwrap();
    at_once(&world, &script, "db/a").served("value a");
}

#[test]
fn a_yes_to_a_process_is_no_other_processes() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let mut one = Staying::waiting(&world, text(&script), LONG);
    let mut other = Staying::new(&world, text(&script));
    one.begin("ctl get db/a");
    let shown = open(&world, 1).remove(0);
    assert_eq!(shown["pid"], one.pid, "{shown:#}");
    let id = shown["id"].to_string();
    world.ctl(&["approve", &id, "--for", "process", "--yes"]).ok();
    one.answer().served("value a");
    one.ask("ctl get db/a").served("value a");
    other.ask("ctl get db/a").denied();
    other.ask("client get db/a").denied();
    // The same process, by a connection of its own, which is then cut off in the middle.
    one.ask("client get db/a").served("value a");
    let answer = recorded(&world, "approve", "allowed")["by"].as_str().unwrap().to_owned();
    world.ctl(&["revoke", answer.strip_prefix("answer:").unwrap()]).ok();
    one.ask("client get db/a").denied();
}

#[test]
fn a_program_of_the_owners_is_remembered_with_its_bytes() {
    let world = stage();
    let program = runner(&world, "tool");
    let run = |wait| world.program(&program, &["ctl", "get"]).stdin("db/a\n").env("GLASSDOME_WAIT", wait);
    let waiting = run(LONG).start();
    world.ctl(&["approve", &question(&world), "--for", "session", "--yes"]).ok();
    assert_eq!(waiting.output().stdout, b"value a");
    assert_eq!(run("0").output().stdout, b"value a");
    world.shell("printf x >> tool").ok();
    let out = run("0").output();
    assert!(out.stdout.is_empty() && out.stderr.contains("denied db/a"), "{}", out.stderr);
}

#[test]
fn an_interpreter_without_a_script_is_never_remembered() {
    let world = stage();
    let waiting = world
        .program(Path::new("/usr/bin/python3"), &["-c", "import os; os.system('ctl get db/a; :')"])
        .env("GLASSDOME_WAIT", LONG)
        .start();
    let shown = open(&world, 1).remove(0);
    assert_eq!(shown["rememberable"], false, "{shown:#}");
    let id = shown["id"].to_string();
    let line = world.ctl(&["approve", &id, "--for", "session", "--yes"]).refused(9);
    assert!(line.contains("no script file"), "{line}");
    world.ctl(&["approve", &id, "--for", "once", "--yes"]).ok();
    assert_eq!(waiting.output().stdout, b"value a");
}

#[test]
fn a_no_and_a_silence_give_rest() {
    let world = stage();
    let (script, other) = (asker(&world, "deploy.py"), asker(&world, "other.py"));
    let waiting = start(&world, &script, "db/a");
    world.ctl(&["refuse", &question(&world)]).ok();
    let line = read(waiting).denied();
    assert!(line.contains("you said no") && line.contains("Allow: ctl policy allow"), "{line}");
    assert_eq!(recorded(&world, "get", "denied")["by"], "refused");
    // It is not asked again, for whatever else.
    let line = read(start(&world, &script, "db/b")).denied();
    assert!(line.contains("are not asked again for"), "{line}");
    let moving = asking(&world, text(&script), &[], &["ctl", "move", "db/b", "db/c"]);
    told(moving.env("GLASSDOME_WAIT", LONG)).denied();
    let moves: Vec<_> = world.audit().into_iter().filter(|record| record["event"] == "move").collect();
    assert_eq!(moves.len(), 1, "{moves:?}");
    let [secret, to, by] = ["secret", "to", "by"].map(|member| moves[0][member].as_str().unwrap());
    assert_eq!((secret, to), ("db/b", "db/c"), "though both are asked about: {by}");
    assert_eq!(recorded(&world, "get", "denied")["by"], "not-asked-again");
    // Nobody else rests for that.
    let ask = asking(&world, text(&other), &[], &["ctl", "get", "db/a"]).env("GLASSDOME_WAIT", "1s");
    let line = told(ask).denied();
    assert!(line.contains("nobody answered in time"), "{line}");
    assert_eq!(recorded(&world, "get", "denied")["by"], "unanswered");
    // Who hardly waited is asked about again: anybody could silence a program so.
    let waiting = start(&world, &other, "db/a");
    world.ctl(&["approve", &question(&world), "--yes"]).ok();
    read(waiting).served("value a");
}

#[test]
fn a_thousand_questions_in_a_row_are_a_few() {
    let world = stage();
    let line = "for i in $(seq 1000); do GLASSDOME_WAIT=1s ctl get db/$i; done 2>&1 | grep -c denied";
    let script = world.file("flood.sh", line);
    let began = Instant::now();
    let counted = world.program(Path::new("/bin/bash"), &[text(&script)]).within(Duration::from_secs(600));
    assert_eq!(counted.text().trim(), "1000");
    let minutes = usize::try_from(began.elapsed().as_secs() / 60).unwrap();
    let asked = world.audit().iter().filter(|record| record["event"] == "ask").count();
    assert!((1..=4 * (minutes + 1)).contains(&asked), "{asked}: nobody is worn down");
    for by in ["too-many-questions", "refused-too-often"] {
        assert!(world.audit().iter().any(|record| record["event"] == "get" && record["by"] == by), "{by}");
    }
}

#[test]
fn nobody_joins_a_question_of_somebody_else() {
    let world = stage();
    // Two requests that pass for one: whoever runs both is the same shell, and both ask for the same.
    let line = "ctl get db/a > one & sleep 1; ctl get db/a > two & wait; cat one; echo; cat two";
    let script = world.file("both.sh", line);
    let both = world.program(Path::new("/bin/bash"), &[text(&script)]).env("GLASSDOME_WAIT", LONG).start();
    let first = question(&world);
    std::thread::sleep(Duration::from_secs(2));
    world.ctl(&["approve", &first, "--yes"]).ok();
    // The other one has a question of its own, and its own answer.
    let second = question(&world);
    assert_ne!(first, second);
    world.ctl(&["refuse", &second]).ok();
    assert_eq!(both.output().stdout, b"value a\n");
}

#[test]
fn all_names_are_shown_or_nobody_is_asked() {
    let world = stage();
    let run = |count: usize| {
        let names: String = (0..count).map(|n| format!("--env V{n}=db/{n} ")).collect();
        let script = world.file("many.sh", format!("ctl run {names} -- true; exit $?"));
        world.program(Path::new("/bin/bash"), &[text(&script)]).env("GLASSDOME_WAIT", LONG).start()
    };
    assert_eq!(run(17).output().code, 125);
    assert!(!world.audit().iter().any(|record| record["event"] == "ask"), "refused at once");
    let asks = run(16);
    assert_eq!(open(&world, 1)[0]["names"].as_array().unwrap().len(), 16);
    world.ctl(&["refuse", &question(&world)]).ok();
    assert_eq!(asks.output().code, 125);
}

#[test]
fn a_shell_that_runs_anything_is_allowed_once_only_and_it_is_said_that_nobody_typed() {
    let world = stage();
    let mut terminal = world.shell_at_terminal();
    terminal.send_line("GLASSDOME_WAIT=40s ctl get db/a");
    let shown = open(&world, 1).remove(0);
    assert_eq!((&shown["holdable"], &shown["rememberable"]), (&false.into(), &false.into()), "{shown:#}");
    let why = shown["why"].as_str().unwrap();
    assert!(why.contains("the master password was not typed in this terminal"), "{why}");
    let id = shown["id"].to_string();
    let line = world.ctl(&["approve", &id, "--for", "process", "--yes"]).refused(9);
    assert!(line.contains("stands for whatever it runs"), "{line}");
    world.ctl(&["approve", &id, "--yes"]).ok();
    terminal.expect("value a");
}

#[test]
fn an_answer_leaves_the_other_questions_open() {
    let world = stage();
    let scripts: Vec<_> = ["a.py", "b.py", "c.py"].iter().map(|name| asker(&world, name)).collect();
    let mut waiting: Vec<Started> = scripts.iter().map(|script| start(&world, script, "db/a")).collect();
    let ids: Vec<String> = open(&world, 3).iter().map(|question| question["id"].to_string()).collect();
    world.ctl(&["approve", &ids[0], "--for", "session", "--yes"]).ok();
    let left: Vec<String> = open(&world, 2).iter().map(|question| question["id"].to_string()).collect();
    assert_eq!(left, ids[1..], "with their numbers");
    for id in left {
        world.ctl(&["approve", &id, "--yes"]).ok();
    }
    waiting.drain(..).for_each(|one| read(one).served("value a"));
}

#[test]
fn a_rule_that_asks_asks_each_time() {
    let world = stage();
    with_password(&world, &["policy", "ask", "--secrets", "db/a", "--id", "careful"]).ok();
    // In a granted terminal too, and who does not wait is told so.
    let line = world.ctl(&["get", "db/a"]).refused(4);
    assert!(
        line.contains("the sealed rule careful wants you asked each time, and this did not wait"),
        "{line}"
    );
    let typed = world.ctl(&["get", "db/a"]).env("GLASSDOME_WAIT", LONG).start();
    let shown = open(&world, 1).remove(0);
    assert_eq!((&shown["rule"], &shown["rememberable"]), (&"careful".into(), &false.into()), "{shown:#}");
    let id = shown["id"].to_string();
    let line = world.ctl(&["approve", &id, "--for", "session", "--yes"]).refused(9);
    assert!(line.contains("careful wants you to be asked each time"), "{line}");
    world.ctl(&["approve", &id, "--yes"]).ok();
    assert_eq!(typed.output().stdout, b"value a");
    assert_eq!(world.ctl(&["get", "db/b"]).ok(), b"value b", "control");
    with_password(&world, &["policy", "deny", "--secrets", "db/a"]).ok();
    let line = world.ctl(&["get", "db/a"]).env("GLASSDOME_WAIT", LONG).output();
    assert_eq!((line.code, line.stdout.len()), (4, 0), "what a rule denies is not asked: {}", line.stderr);
}

#[test]
fn those_who_wait_are_in_nobodys_way() {
    let world = stage();
    let line = "for i in $(seq 80); do ctl get db/$i 2>/dev/null & pids=\"$pids $!\"; done\n\
                for pid in $pids; do wait $pid; echo $?; done";
    let script = world.file("crowd.sh", line);
    let crowd = world.program(Path::new("/bin/bash"), &[text(&script)]).env("GLASSDOME_WAIT", LONG).start();
    question(&world);
    // There is room for 8 of one program: its others are told to come back, and another one is asked about.
    let denied =
        || world.audit().iter().any(|record| record["event"] == "get" && record["by"] == "too-many-wait");
    assert!(wait_until(denied, Duration::from_secs(20)));
    let other = asker(&world, "other.py");
    let asked = || world.audit().iter().filter(|record| record["event"] == "ask").count();
    let before = asked();
    let other = start(&world, &other, "db/a");
    assert!(wait_until(|| asked() > before, Duration::from_secs(20)), "there is room for another program");
    assert_eq!(world.ctl(&["get", "db/a"]).ok(), b"value a");
    let deploy = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/b", "--script", text(&deploy)]).ok();
    at_once(&world, &deploy, "db/b").served("value b");
    world.ctl(&["lock"]).ok();
    let codes = String::from_utf8(crowd.output().stdout).unwrap();
    let count = |code: &str| codes.lines().filter(|line| *line == code).count();
    assert_eq!((count("3") + count("8"), codes.lines().count()), (80, 80), "{codes}");
    assert!((1..=8).contains(&count("3")), "{codes}");
    assert_eq!(read(other).code, 3, "it waited until the lock came");
}

#[test]
fn only_the_person_answers() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let waiting = start(&world, &script, "db/a");
    let id = question(&world);
    // A program of the same user, which nobody granted anything.
    let run = |words: &str| {
        let script = world.file("accomplice.sh", format!("ctl {words}; exit $?"));
        world.program(Path::new("/bin/bash"), &[text(&script)]).output()
    };
    for words in [format!("approve {id} --yes"), format!("refuse {id}"), "approvals".into(), "grants".into()]
    {
        assert_eq!(run(&words).code, 4, "{words}");
    }
    for event in ["approve", "refuse", "questions"] {
        assert_eq!(recorded(&world, event, "denied")["by"], "policy");
    }
    assert_eq!(question(&world), id, "it is open still");
    // The master password by descriptor answers for a machine without a person.
    with_password(&world, &["approve", &id, "--yes"]).ok();
    read(waiting).served("value a");
}

#[test]
fn a_question_ends_with_whoever_asks_and_with_the_session() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let mut gone = world
        .program(Path::new("/bin/bash"), &["-c", "GLASSDOME_WAIT=40s ctl get db/a & echo $! > waits; wait"])
        .start();
    let id = question(&world);
    world.shell("kill $(cat waits)").ok();
    open(&world, 0);
    world.ctl(&["approve", &id, "--yes"]).refused(5);
    assert!(wait_until(|| gone.has_ended(), Duration::from_secs(10)));

    let waiting = start(&world, &script, "db/a");
    question(&world);
    world.ctl(&["lock"]).ok();
    let told = read(waiting);
    assert_eq!((told.code, told.got), (3, None), "{}", told.why);
    world.start(glassdome_tests::PASSWORD);
    open(&world, 0);
    at_once(&world, &script, "db/a").denied();
}

#[test]
fn a_rule_that_is_sealed_meanwhile_answers() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let waiting = start(&world, &script, "db/a");
    question(&world);
    allow(&world, &["--secrets", "db/a", "--script", text(&script)]).ok();
    read(waiting).served("value a");
    assert_eq!(recorded(&world, "get", "allowed")["by"], "rule:deploy");
    open(&world, 0);
}

#[test]
fn a_rule_is_made_of_a_request() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let line = at_once(&world, &script, "db/a").denied();
    let number = line.split("(request ").nth(1).and_then(|rest| rest.split(')').next()).unwrap();
    // No other program is told what this one asked for.
    let spy = world.file("spy.sh", format!("ctl policy allow --request {number} < /dev/null; exit $?"));
    assert_eq!(world.program(Path::new("/bin/bash"), &[text(&spy)]).output().code, 4);
    allow(&world, &["--request", "9999"]).refused(5);
    let sealed = allow(&world, &["--request", number]).text();
    assert!(sealed.contains("secrets       = [\"db/a\"]") && sealed.contains("deploy.py"), "{sealed}");
    at_once(&world, &script, "db/a").served("value a");
    assert_eq!(recorded(&world, "get", "allowed")["by"], "rule:deploy");
    at_once(&world, &script, "db/b").denied();
    // For more than was asked for, and of a question that is open.
    let waiting = start(&world, &script, "db/b");
    allow(&world, &["--request", &question(&world), "--secrets", "db/*", "--actions", "get,list"]).ok();
    read(waiting).served("value b");
}

#[test]
fn what_a_program_needs_together_is_asked_together() {
    let world = stage();
    let line = "ctl run --env A=db/a --env B=db/b -- sh -c 'echo $A, $B'; exit $?";
    let script = world.file("deploy.sh", line);
    let waiting = world.program(Path::new("/bin/bash"), &[text(&script)]).env("GLASSDOME_WAIT", LONG).start();
    let shown = open(&world, 1).remove(0);
    assert_eq!(shown["names"], serde_json::json!(["db/a", "db/b"]), "{shown:#}");
    world.ctl(&["approve", &shown["id"].to_string(), "--yes"]).ok();
    assert_eq!(waiting.output().stdout, b"value a, value b\n");
}

#[test]
fn a_person_reads_the_question_and_answers_with_a_key() {
    let world = stage();
    let script = asker(&world, "deploy.py");
    let mut terminal = world.shell_at_terminal();
    terminal.send_line("glassdome_start");
    terminal.expect("Master password, to grant this terminal: ");
    terminal.send_line(glassdome_tests::PASSWORD);
    terminal.expect("[0] ");
    for (key, code) in [("y", 0), ("n", 4)] {
        let waiting = start(&world, &script, "db/a");
        let id = question(&world);
        terminal.send_line(&format!("ctl approve {id}"));
        let shown = terminal.expect("No: [n] ");
        for words in ["get db/a", "deploy.py", "weak", "only root can change it", "[s]"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        terminal.send_line(key);
        terminal.expect("[0] ");
        assert_eq!(read(waiting).code, code, "{key}");
    }
    // Any other key leaves it open.
    let other = asker(&world, "other.py");
    let waiting = start(&world, &other, "db/a");
    let id = question(&world);
    terminal.send_line(&format!("ctl approve {id}"));
    terminal.expect("No: [n] ");
    terminal.send_line("");
    terminal.expect("stays open");
    terminal.expect("[0] ");
    terminal.send_line(&format!("ctl approve {id} --for 15m"));
    terminal.expect("Allow it to this program for 15 min? [y/n] ");
    terminal.send_line("y");
    terminal.expect("✓ allowed to this program for 15 min. End it: ctl revoke ");
    read(waiting).served("value a");
    at_once(&world, &other, "db/a").served("value a");
}
