//! The approval PIN: it answers questions where the master password was not typed, and nothing else; it is
//! guessed no faster than it may be; and nothing of it lies in the vault's file.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod askers;
#[path = "support/decrypt.rs"]
mod decrypt;
#[path = "support/scripts.rs"]
mod scripts;
#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::path::Path;
use std::time::Duration;

use askers::{Told, asker, asking, recorded, with_password};
use glassdome_tests::{Out, PASSWORD, Started, World, stamped, text, wait_until};
use serde_json::Value;

const PIN: &str = "402913";
const WRONG: &str = "402914";
const LONG: &str = "40s";

/// A world with secrets and a PIN.
fn stage() -> World {
    let world = World::unlocked();
    for (name, value) in [("db/a", "value a"), ("db/b", "value b")] {
        world.set(name, value);
    }
    choose(&world, PIN);
    world
}

/// Sets the PIN by descriptors, as a script does.
#[track_caller]
fn choose(world: &World, pin: &str) {
    chosen(world, pin).ok();
}

fn chosen(world: &World, pin: &str) -> Out {
    let line = format!("ctl pin set --password-fd 3 --pin-fd 4 3<<<'{PASSWORD}' 4<<<'{pin}'");
    world.program(Path::new("/bin/bash"), &["-c", &line]).output()
}

/// A line of bash as a program of the owner's runs it: nobody typed it, and no rule speaks of it.
fn apart(world: &World, line: &str) -> Out {
    let script = world.file("apart.sh", format!("{line}\nexit $?"));
    world.program(Path::new("/bin/bash"), &[text(&script)]).env("GLASSDOME_WAIT", "0").output()
}

/// `ctl …` there, with a PIN.
fn by_pin(world: &World, words: &str, pin: &str) -> Out {
    apart(world, &format!("ctl {words} --pin-fd 3 3<<<'{pin}'"))
}

/// A script that asks for db/a, and waits; and its question's number.
fn waiting(world: &World) -> (Started, String) {
    let script = asker(world, "deploy.py");
    let started =
        asking(world, text(&script), &[], &["ctl", "get", "db/a"]).env("GLASSDOME_WAIT", LONG).start();
    let mut id = None;
    let open = || {
        let shown: Value = serde_json::from_str(&world.ctl(&["approvals", "--json"]).text()).unwrap();
        id = shown[0]["id"].as_u64();
        id.is_some()
    };
    assert!(wait_until(open, Duration::from_secs(20)), "it asks");
    (started, id.unwrap().to_string())
}

/// What a program that shows what it has on one connection is told.
fn prover(world: &World, requests: &[&str]) -> Vec<Value> {
    let scripts = scripts::scripts(world);
    let run = world.python(&scripts.join("prover.py"), &[text(&scripts), text(&world.socket())]);
    let told = run.stdin(requests.join("\n") + "\n").text();
    told.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where the programs are stamped: that the daemon takes no PIN from any other, a right one neither.
fn only_ours_are_heard(world: &World) -> bool {
    if stamped() {
        let told = prover(world, &[&format!("prove {PIN}"), "get db/a"]);
        assert_eq!(codes(&told), [4, 4], "{told:#?}");
        assert_eq!(recorded(world, "prove", "denied")["by"], "unstamped");
        assert_eq!(by_pin(world, "get db/a", PIN).ok(), b"value a", "control");
    }
    stamped()
}

fn codes(told: &[Value]) -> Vec<i64> {
    told.iter().map(|told| told["code"].as_i64().unwrap()).collect()
}

#[test]
fn it_is_chosen_and_typed_where_nothing_was_unlocked() {
    let world = World::unlocked();
    world.set("db/a", "value a");
    let mut own = world.shell_at_terminal();
    // Without one nobody is asked for anything, the master password least of all.
    own.run("ctl approvals --pin-fd 0");
    assert!(own.expect("[2] ").contains("is a terminal"));
    own.run("ctl approvals");
    let told = own.expect("[4] ");
    assert!(told.contains("ctl pin set") && !told.contains("Master password: "), "{told}");

    own.run("ctl pin set");
    own.expect("Master password: ");
    own.send_line(PASSWORD);
    for (pin, why) in [("40291", "6 to 64 characters"), ("777777", "different characters"), ("123456", "run")]
    {
        for prompt in ["New approval PIN (not shown): ", "Once more: "] {
            own.expect(prompt);
            own.send_line(pin);
        }
        own.expect(why);
        if pin == "123456" {
            own.expect("[2] ");
        }
    }
    own.run("ctl pin set");
    own.expect("Master password: ");
    own.send_line(PASSWORD);
    for (prompt, typed) in [("New approval PIN (not shown): ", PIN), ("Once more: ", WRONG)] {
        own.expect(prompt);
        own.send_line(typed);
    }
    own.expect("They differ.");
    for prompt in ["New approval PIN (not shown): ", "Once more: "] {
        own.expect(prompt);
        own.send_line(PIN);
    }
    own.expect("✓ the approval PIN is set");
    own.expect("[0] ");
    assert!(world.ctl(&["doctor"]).output().stdout.windows(12).any(|words| words == b"approval PIN"));

    let (asks, id) = waiting(&world);
    own.send_line(&format!("ctl approve {id}"));
    own.expect("Approval PIN (this terminal is not granted): ");
    own.send_line(WRONG);
    own.expect("wrong PIN. Next try in 1 s.");
    own.expect("Approval PIN (this terminal is not granted): ");
    own.send_line(PIN);
    let shown = own.expect("No: [n] ");
    assert!(shown.contains("get db/a") && shown.contains("deploy.py"), "{shown}");
    own.send_line("y");
    own.expect("✓ allowed once");
    own.expect("[0] ");
    Told::of(asks.output()).served("value a");
    assert!(!own.shown().contains(PIN) && !own.shown().contains(WRONG), "{}", own.shown());
    assert_eq!(recorded(&world, "prove", "denied")["by"], "wrong-pin");
    assert_eq!(recorded(&world, "prove", "allowed")["by"], "pin");
    // It granted nothing.
    own.run("ctl get db/a");
    own.expect("[4] ");
    // A connection that stays is shown what comes.
    own.run("ctl approvals --watch");
    own.expect("Approval PIN (this terminal is not granted): ");
    own.send_line(PIN);
    let (asks, id) = waiting(&world);
    assert!(own.expect("get db/a").contains(&id));
    world.ctl(&["refuse", &id]).ok();
    Told::of(asks.output()).denied();
}

#[test]
fn a_program_answers_its_own_question() {
    let world = stage();
    apart(&world, "ctl get db/a").refused(4);
    assert_eq!(by_pin(&world, "get db/a", PIN).ok(), b"value a");
    assert_eq!(recorded(&world, "prove", "allowed")["by"], "pin");
    let number = recorded(&world, "approve", "allowed")["by"].as_str().unwrap().replace("question", "person");
    assert_eq!(recorded(&world, "get", "allowed")["by"], number.as_str());
    // For once.
    apart(&world, "ctl get db/a").refused(4);
    let line = format!("ctl get db/a --password-fd 3 3<<<'{PASSWORD}'");
    assert_eq!(apart(&world, &line).ok(), b"value a");
    assert_eq!(recorded(&world, "prove", "allowed")["by"], "master-password");
    assert_eq!(by_pin(&world, "list", PIN).ok(), b"db/a\ndb/b\n");
    let line = format!("ctl run --pin-fd 3 --env A=db/a --env B=db/b -- sh -c 'echo $A, $B' 3<<<'{PIN}'");
    assert_eq!(apart(&world, &line).ok(), b"value a, value b\n");

    // It is named where it is taken only.
    assert!(apart(&world, "ctl approvals").refused(4).contains("--pin-fd"));
    assert!(!apart(&world, "ctl policy allow --request 1").refused(4).contains("--pin-fd"));
    // What it was read from leads nowhere then: the number is free for no file of the program's.
    for (option, said) in [("pin-fd", PIN), ("password-fd", PASSWORD)] {
        let line = format!(
            "ctl run --{option} 0 --env A=db/a -- python3 -c \
             'import os; print(open(\"/etc/hostname\").fileno(), os.readlink(\"/proc/self/fd/0\"))' <<<'{said}'"
        );
        assert_eq!(apart(&world, &line).ok(), b"3 /dev/null\n");
    }
    apart(&world, "ctl get db/a --pin-fd 3 3</dev/null").refused(13);
    apart(&world, "ctl get db/a --pin-fd 9").refused(2);
    apart(&world, "ctl get db/a --pin-fd 3 --password-fd 4").refused(2);

    // A rule that denies goes before it, and one that asks is answered by it.
    allow_decision(&world, "deny", "db/b");
    by_pin(&world, "get db/b", PIN).refused(4);
    allow_decision(&world, "ask", "db/a");
    assert_eq!(by_pin(&world, "get db/a", PIN).ok(), b"value a");
    // Nobody is asked about bait: it is refused, and all is locked.
    world.ctl(&["set", "bait", "--canary", "--stdin"]).stdin("x").ok();
    by_pin(&world, "get bait", PIN).refused(4);
    assert_eq!(world.status()["state"], "locked");
    by_pin(&world, "get db/a", PIN).refused(3);
    world.start(PASSWORD);
    assert!(by_pin(&world, "get db/a", WRONG).refused(7).contains("wrong PIN"));
    // The pause may be over by the time of the next one; the one behind another wrong one is longer.
    if by_pin(&world, "get db/a", PIN).code != 8 {
        by_pin(&world, "get db/a", WRONG).refused(7);
        by_pin(&world, "get db/a", WRONG).refused(8);
    }
}

fn allow_decision(world: &World, decision: &str, name: &str) {
    with_password(world, &["policy", decision, "--secrets", name]).ok();
}

#[test]
fn what_it_was_read_from_goes_no_further() {
    let world = stage();
    let line = |option: &str, file: &str, secret: &str| {
        world.file(file, format!("{secret}\n"));
        let command =
            format!("ctl run {option} 3 --env A=db/a -- sh -c 'echo $A; ls -l /proc/self/fd' 3<{file}");
        String::from_utf8(apart(&world, &command).ok()).unwrap()
    };
    for (option, secret) in [("--pin-fd", PIN), ("--password-fd", PASSWORD)] {
        let file = &option[2..];
        let shown = line(option, file, secret);
        assert!(shown.starts_with("value a\n"), "{shown}");
        assert!(shown.contains(" 0 -> ") && !shown.contains(file), "{option}: {shown}");
    }
}

#[test]
fn it_gives_and_changes_nothing_else() {
    let world = stage();
    if only_ours_are_heard(&world) {
        return;
    }
    let all = ["get db/a", "rules", "list", "settings", "handle db/*"];
    assert_eq!(codes(&prover(&world, &all)), [4; 5], "control");
    let told = prover(&world, &[&[&*format!("prove {PIN}")], &all[..]].concat());
    assert_eq!(codes(&told), [0, 0, 0, 0, 4, 4], "{told:#?}");
    assert_eq!(told[1]["got"], "value a");
    // In the master password's place it is a wrong password.
    for request in ["unlock", "set-setting", "set-pin", "remove-rule", "prove-password"] {
        let told = prover(&world, &[&format!("prove {PIN}"), &format!("{request} {PIN}")]);
        assert!(matches!(codes(&told)[..], [0, 7 | 8]), "{request}: {told:#?}");
        let waited = wait_until(|| throttle_is_over(&world), Duration::from_secs(60));
        assert!(waited, "the pause after a wrong password");
    }
    // Nor does it open what is locked.
    world.ctl(&["lock"]).ok();
    let told = prover(&world, &[&format!("prove {PIN}"), "get db/a"]);
    assert_eq!(codes(&told), [3, 3], "{told:#?}");
}

/// Whether the master password is taken again.
fn throttle_is_over(world: &World) -> bool {
    world.unlock(PASSWORD, &["--renew"]).code == 0
}

#[test]
fn what_was_shown_ends_with_the_pin_and_with_the_session() {
    let world = stage();
    if only_ours_are_heard(&world) {
        return;
    }
    let scripts = scripts::scripts(&world);
    let line = format!(
        "stty -echo; exec /usr/bin/python3 {} {} {}",
        text(&scripts.join("prover.py")),
        text(&scripts),
        text(&world.socket())
    );
    let mut staying = world.terminal(&line);
    staying.expect("}\n");
    let mut ask = |request: &str| {
        staying.send(&format!("{request}\n"));
        let told: Value = serde_json::from_str(staying.expect("}\n").trim()).unwrap();
        told["code"].as_i64().unwrap()
    };
    assert_eq!(ask("get db/a"), 4, "control");
    assert_eq!(ask(&format!("prove {PIN}")), 0);
    assert_eq!(ask("get db/a"), 0);
    // The same one anew is another one.
    choose(&world, PIN);
    assert_eq!(ask("get db/a"), 4);
    assert_eq!(ask(&format!("prove {PIN}")), 0);
    with_password(&world, &["pin", "remove"]).ok();
    assert_eq!(ask("get db/a"), 4);
    assert_eq!(ask(&format!("prove {PIN}")), 4, "there is none");
    choose(&world, PIN);
    assert_eq!(ask(&format!("prove {PIN}")), 0);
    // An answer is given once.
    let (asks, id) = waiting(&world);
    assert_eq!(ask(&format!("approve {id}")), 0);
    Told::of(asks.output()).served("value a");
    assert_eq!(ask(&format!("approve {id}")), 5);
    world.ctl(&["lock"]).ok();
    assert_eq!(ask("get db/a"), 3);
    world.start(PASSWORD);
    assert_eq!(ask("get db/a"), 4);
    // It is sealed: the next session has it.
    assert_eq!(ask(&format!("prove {PIN}")), 0);
    assert_eq!(ask("get db/a"), 0);
}

#[test]
fn it_is_guessed_five_times() {
    let world = stage();
    let (asks, id) = waiting(&world);
    let approve = format!("approve {id} --yes");
    let (mut wrong, mut throttled) = (0, 0);
    let spent = wait_until(
        || {
            let out = by_pin(&world, &approve, WRONG);
            match out.code {
                7 => wrong += 1,
                8 => throttled += 1,
                code => panic!("{code}: {}", out.stderr),
            }
            out.stderr.contains("taken no more")
        },
        Duration::from_secs(60),
    );
    assert!(spent && wrong == 5 && throttled > 0, "{wrong} wrong, {throttled} not tried");
    // Now the right one is not tried either, whoever brings it, and other doors are as open as before.
    assert!(by_pin(&world, &approve, PIN).refused(8).contains("ctl unlock --renew"));
    assert_eq!(by_pin(&world, "get db/a", PIN).code, 8);
    assert!(apart(&world, &format!("ctl {approve}")).refused(4).contains("taken no more"));
    assert_eq!(world.ctl(&["get", "db/a"]).ok(), b"value a");
    let shown = world.ctl(&["doctor"]).output();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("5 wrong ones"), "{shown:?}");
    for by in ["wrong-pin", "throttled", "pin-spent"] {
        let denied = |record: &Value| record["event"] == "prove" && record["by"] == by;
        assert!(world.audit().iter().any(denied), "{by}");
    }
    // The owner types the master password, at once, and the PIN is taken again.
    assert_eq!(world.unlock(PASSWORD, &["--renew"]).code, 0);
    by_pin(&world, &approve, PIN).ok();
    Told::of(asks.output()).served("value a");
}

#[test]
fn whoever_guesses_stands_in_the_log() {
    let world = stage();
    let guess = format!("exec 3<<<'{WRONG}'; ctl approvals --pin-fd 3; exit $?");
    let guessers = ["guesser-a.sh", "guesser-b.sh"].map(|name| world.file(name, &guess));
    for guesser in &guessers {
        let wrong = || world.program(Path::new("/bin/bash"), &[text(guesser)]).output().code == 7;
        assert!(wait_until(wrong, Duration::from_secs(20)), "it was tried");
    }
    // Within one minute, and each on a line of its own.
    let wrong = |record: &Value| record["event"] == "prove" && record["by"] == "wrong-pin";
    let named: Vec<String> = world
        .audit()
        .into_iter()
        .filter(wrong)
        .map(|record| record["judged"]["script"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(named, guessers.each_ref().map(|guesser| text(guesser).to_owned()));
}

#[test]
fn a_loop_keeps_nobody_from_the_prompt() {
    let world = stage();
    let program = world.file("editor.sh", "ctl approvals; exit $?");
    for _ in 0..40 {
        world.program(Path::new("/bin/bash"), &[text(&program)]).refused(4);
    }
    let often = |record: &Value| record["event"] == "questions" && record["by"] == "refused-too-often";
    assert!(world.audit().iter().any(often), "control: it was counted");
    // The same program, where a person sits.
    let mut own = world.shell_at_terminal();
    own.run(&format!("bash {}", text(&program)));
    own.expect("Approval PIN (this terminal is not granted): ");
    own.send_line(PIN);
    own.expect("[0] ");
}

#[test]
fn the_file_holds_nothing_to_guess_from() {
    let world = stage();
    let sealed = |world: &World| {
        let vault = decrypt::decrypt(world, PASSWORD, &[]);
        vault["settings"]["approval-pin"].as_str().expect("it is a setting").to_owned()
    };
    let first = sealed(&world);
    assert_eq!(first.len(), 2 * 48, "salt and tag: {first}");
    choose(&world, PIN);
    let second = sealed(&world);
    assert!(first != second && first[..32] != second[..32], "salted anew");
    let hex: String = PIN.bytes().map(|byte| format!("{byte:02x}")).collect();
    let file = fs::read(world.vault()).unwrap();
    for shown in [&first, &second] {
        assert!(!shown.contains(&hex));
        let bytes: Vec<u8> =
            (0..96).step_by(2).map(|at| u8::from_str_radix(&shown[at..at + 2], 16).unwrap()).collect();
        // Neither the salt nor the tag stands in the clear.
        assert!(!file.windows(16).any(|window| window == &bytes[..16] || window == &bytes[16..32]));
    }
    assert!(!file.windows(PIN.len()).any(|window| window == PIN.as_bytes()));
    with_password(&world, &["pin", "remove"]).ok();
    assert_eq!(decrypt::decrypt(&world, PASSWORD, &[])["settings"]["approval-pin"], Value::Null);
    assert!(by_pin(&world, "get db/a", PIN).refused(4).contains("no approval PIN"));
    // Neither is it listed, nor set like one of the others.
    assert!(!world.ctl(&["settings"]).text().contains("approval-pin"));
    with_password(&world, &["settings", "set", "approval-pin", "x"]).refused(2);
    assert!(chosen(&world, "123456").refused(2).contains("no run"));
    let wrong = "ctl pin set --password-fd 3 --pin-fd 4 3<<<'wrong otters juggle plums' 4<<<'402913'";
    world.program(Path::new("/bin/bash"), &["-c", wrong]).refused(7);
    assert_eq!(recorded(&world, "change-pin", "denied")["by"], "wrong-password");
}
