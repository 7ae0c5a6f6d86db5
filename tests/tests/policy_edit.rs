//! All rules are changed at once, in the person's editor or by a file: what is sealed is what was shown, by
//! whoever has the master password, and a text that cannot be sealed is neither sealed in part nor lost.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/askers.rs"]
mod askers;
#[path = "support/rule_editing.rs"]
mod rule_editing;
#[path = "support/scripts.rs"]
mod scripts;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use askers::{asker, asking, recorded, told, with_password};
use glassdome_tests::{PASSWORD, World, stamped, text, wait_until};
use rule_editing::{by_file, edit, editor, granted, ids, left, seal, sealings, shown, stage};
use serde_json::Value;

fn ask(world: &World, script: &Path, name: &str) -> askers::Told {
    told(asking(world, text(script), &[], &["client", "get", name]))
}

#[test]
fn an_edited_rule_is_shown_line_by_line_and_sealed_with_its_pin() {
    let (world, script) = stage();
    let before = shown(&world);
    let place = world.home("place");
    // Words, quotes and all: a line of shell.
    let sed = format!(
        "f() {{ stat -c '%a %n' \\$1 \\${{1%/*}} > {}; sed -i 's|\\[.db/.*\\]|[\\\"db/a\\\"]|' \\$1; }}; f",
        text(&place)
    );
    let mut terminal = granted(&world);
    let told = edit(&mut terminal, &sed);
    let marked: Vec<&str> = told.lines().filter(|line| line.starts_with(['+', '-'])).collect();
    let expected = ["-secrets       = [\"db/*\"]", "+secrets       = [\"db/a\"]"];
    assert_eq!(marked, expected, "{told}");
    assert!(told.contains("@@ deploy changes @@") && told.contains(" # weak: "), "{told}");
    let summary = "! changes deploy: allow get \"db/a\" for script ";
    assert!(
        told.contains(summary) && told.contains("\n!         was allow get \"db/*\" for script "),
        "{told}"
    );
    let counts =
        "\nrules: 0 new, 1 changed, 0 taken away\n! 1 of them may give more than before\nSeal it [s]";
    assert!(told.contains(counts), "{told}");
    assert_eq!(left(&world), [""; 0], "nothing lies there while it is asked");
    let count = sealings(&world);
    seal(&mut terminal);
    terminal.expect("sealed the change of a rule");
    terminal.expect("[0] ");
    assert_eq!(sealings(&world), count + 1);
    assert_eq!(recorded(&world, "change-rules", "allowed")["by"], "rule:deploy");
    let after = shown(&world);
    assert_eq!(after[0]["secrets"], serde_json::json!(["db/a"]));
    assert_eq!((&after[0]["script"], &after[0]["exe"]), (&before[0]["script"], &before[0]["exe"]));
    ask(&world, &script, "db/a").served("value a");
    ask(&world, &script, "db/b").denied();

    let modes = fs::read_to_string(place).unwrap();
    let modes: Vec<&str> = modes.lines().collect();
    let runtime = world.runtime().join("glassdome/edit-");
    assert!(
        modes[0].starts_with("600 ") && modes[1].starts_with(&format!("700 {}", text(&runtime))),
        "{modes:?}"
    );
}

#[test]
fn what_changes_nothing_seals_nothing() {
    let (world, _) = stage();
    let count = sealings(&world);
    let before = shown(&world);
    let mut terminal = granted(&world);
    for editor in ["true", "touch", "sed -i s/^#.*//"] {
        terminal.send_line(&format!("EDITOR='{editor}' ctl policy edit"));
        terminal.expect("no rule would be another one: nothing was sealed");
        terminal.expect("[0] ");
    }
    // VISUAL goes before EDITOR; one that fails changes nothing, and says so.
    terminal.send_line("VISUAL=false EDITOR=true ctl policy edit");
    let told = terminal.expect("[1] ");
    assert!(told.contains("the editor false ended with exit status: 1: nothing was sealed"), "{told}");
    terminal.send_line("EDITOR=/nowhere/editor ctl policy edit");
    assert!(terminal.expect("[1] ").contains("Another one: set EDITOR"));
    terminal.send_line("PATH=$(dirname $(command -v ctl)) EDITOR= ctl policy edit");
    assert!(terminal.expect("[2] ").contains("no editor was found: set EDITOR"));
    let told = edit(&mut terminal, "sed -i /^id/s/deploy/other/");
    assert!(told.ends_with("Seal it [s], edit again [e], give up [q]? "), "{told}");
    terminal.send_line("q");
    terminal.expect("nothing was sealed");
    terminal.expect("[0] ");
    assert_eq!((sealings(&world), shown(&world)), (count, before));
    assert_eq!(left(&world), [""; 0]);
}

#[test]
fn a_text_that_cannot_be_read_is_edited_again() {
    let (world, _) = stage();
    let script = "if [ -e again ]; then sed -i 's/\"gets\"/\"get\", \"list\"/' \"$1\"; else touch again; \
                  sed -i 's/\"get\"\\]/\"gets\"]/' \"$1\"; fi";
    let editor = editor(&world, script);
    let mut terminal = granted(&world);
    let told = edit(&mut terminal, &editor);
    let line = told.lines().find(|line| line.starts_with("line ")).unwrap();
    assert!(line.contains("the rule deploy has an action that this version does not know"), "{told}");
    assert!(told.ends_with("Edit again [e], give up [q]? "), "it cannot be sealed: {told}");
    terminal.send_line("s");
    terminal.expect("Edit again [e], give up [q]? ");
    terminal.send_line("e");
    let told = terminal.expect("give up [q]? ");
    assert!(told.contains("+actions       = [\"get\", \"list\"]"), "{told}");
    seal(&mut terminal);
    terminal.expect("[0] ");
    assert_eq!(shown(&world)[0]["actions"], serde_json::json!(["get", "list"]));
}

#[test]
fn rules_that_somebody_else_changes_meanwhile_are_a_conflict_and_the_text_is_kept() {
    let (world, _) = stage();
    let mut terminal = granted(&world);
    let meanwhile =
        |id: &str| drop(with_password(&world, &["policy", "deny", "--secrets", "x", "--id", id]).ok());
    let rename = "sed -i 's/\"deploy\"/\"other\"/' \"$1\"";
    // Between the editor and the password.
    let renames = editor(&world, rename);
    edit(&mut terminal, &renames);
    meanwhile("one");
    seal(&mut terminal);
    let told = terminal.expect("[9] ");
    assert!(told.contains("the rules were changed by somebody else meanwhile: nothing was sealed"), "{told}");
    assert_eq!(ids(&world), ["deploy", "one"]);
    let [kept] = &left(&world)[..] else { panic!("{:?}", left(&world)) };
    let path = world.runtime().join("glassdome").join(kept);
    assert!(told.contains(&format!("your text is kept: ctl policy edit --file {}", text(&path))), "{told}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&path).unwrap().contains("\"other\""));
    fs::remove_file(&path).unwrap();

    // While it is edited.
    let editor = editor(&world, &format!("{rename}; touch edited; while [ -e edited ]; do sleep 0.1; done"));
    terminal.send_line(&format!("EDITOR={editor} ctl policy edit"));
    assert!(wait_until(|| world.home("edited").exists(), Duration::from_secs(20)));
    meanwhile("two");
    fs::remove_file(world.home("edited")).unwrap();
    assert!(terminal.expect("[9] ").contains("somebody else"), "before anything is asked");
    assert_eq!(left(&world).len(), 1);
    assert_eq!(ids(&world), ["deploy", "one", "two"]);

    // A lock is no loss either.
    terminal.send_line(&format!("EDITOR={editor} ctl policy edit"));
    assert!(wait_until(|| world.home("edited").exists(), Duration::from_secs(20)));
    fs::remove_file(world.home("edited")).unwrap();
    terminal.expect("give up [q]? ");
    world.ctl(&["lock"]).ok();
    world.ctl(&["stop"]).ok();
    terminal.send_line("s");
    terminal.expect("Master password: ");
    terminal.send_line(PASSWORD);
    assert!(terminal.expect("[6] ").contains("your text is kept"));
    assert_eq!(left(&world).len(), 2);
    // And it can be sealed later.
    world.start(PASSWORD);
    let newest = left(&world).into_iter().max_by_key(|name| {
        fs::metadata(world.runtime().join("glassdome").join(name)).unwrap().modified().unwrap()
    });
    let newest = world.runtime().join("glassdome").join(newest.unwrap());
    by_file(&world, text(&newest)).ok();
    assert_eq!(ids(&world), ["other", "one", "two"]);
}

#[test]
fn a_pin_is_made_anew_only_where_its_line_is_taken_away() {
    let (world, script) = stage();
    let bytes = fs::read(&script).unwrap();
    let pin = || shown(&world)[0]["script"]["sha256"].clone();
    let before = pin();
    fs::write(&script, [&bytes[..], b"#"].concat()).unwrap();
    let mut terminal = granted(&world);
    // Another line of it: the pin stays what it was, and what that means is told, in the text too.
    let editor = editor(&world, "cp \"$1\" seen; sed -i 's/\"get\"\\]/\"get\", \"list\"]/' \"$1\"");
    let told = edit(&mut terminal, &editor);
    let warning =
        format!("Warning: {} has other bytes than those that are pinned: it says nothing", text(&script));
    assert!(told.contains(&warning) && !told.contains("+script_sha256"), "{told}");
    assert!(fs::read_to_string(world.home("seen")).unwrap().contains(&format!("# {warning}")));
    seal(&mut terminal);
    terminal.expect("[0] ");
    assert_eq!(pin(), before);
    ask(&world, &script, "db/a").denied();

    // Bytes that change while it is asked are not those that were shown.
    let take_away = "sed -i /^script_sha256/d";
    let told = edit(&mut terminal, take_away);
    assert!(told.contains("\n-script_sha256") && told.contains("\n+script_sha256"), "{told}");
    fs::write(&script, [&bytes[..], b"##"].concat()).unwrap();
    seal(&mut terminal);
    let told = terminal.expect("[9] ");
    assert!(told.contains("a file changed since the rules were shown: nothing was sealed"), "{told}");
    assert_eq!(pin(), before);
    ask(&world, &script, "db/a").denied();

    edit(&mut terminal, take_away);
    seal(&mut terminal);
    terminal.expect("[0] ");
    assert_ne!(pin(), before);
    ask(&world, &script, "db/a").served("value a");
}

#[test]
fn nothing_of_it_is_left_when_a_signal_ends_it() {
    let (world, _) = stage();
    let editor = editor(&world, "echo $PPID > pid; touch edited; exec sleep 1000");
    for signal in ["INT", "TERM", "HUP"] {
        let mut terminal = granted(&world);
        terminal.send_line(&format!("EDITOR='exec {editor}' ctl policy edit"));
        assert!(wait_until(|| world.home("edited").exists(), Duration::from_secs(20)));
        assert_eq!(left(&world).len(), 1, "control");
        let pid = fs::read_to_string(world.home("pid")).unwrap().trim().to_owned();
        if signal == "INT" {
            // To all that run in the foreground: it is the editor's, which ends by it.
            terminal.send("\x03");
            terminal.expect("the editor");
            terminal.expect("[1] ");
        } else {
            world.shell(&format!("kill -{signal} {pid}; :")).ok();
            let prompt = if signal == "TERM" { "[143] " } else { "[129] " };
            terminal.expect(prompt);
        }
        assert_eq!(left(&world), [""; 0], "{signal}");
        fs::remove_file(world.home("edited")).unwrap();
    }
    assert_eq!(ids(&world), ["deploy"]);
}

#[test]
fn what_is_allowed_is_there_and_a_file() {
    let (world, script) = stage();
    let before = shown(&world);
    let here = world.home("");
    world.shell("mkfifo pipe").ok();
    let pipe = text(&here.join("pipe")).to_owned();
    let gone = text(&here.join("gone.py")).to_owned();
    for (path, why) in [
        (gone.as_str(), format!("there is no file {gone}")),
        (&pipe, format!("{pipe} is no regular file")),
        ("/dev/zero", "/dev/zero is no regular file".to_owned()),
        ("/proc/self/mem", "/proc/self/mem is no regular file".to_owned()),
    ] {
        let files = format!("exe = \"/usr/bin/python3\"\nscript = \"{path}\"\n");
        for files in [format!("exe = \"{path}\"\n"), files] {
            let rule = |decision: &str| {
                let lines =
                    format!("id = \"x\"\ndecision = \"{decision}\"\nsecrets = [\"a\"]\nactions = [\"get\"]");
                text(&world.file("rules.toml", format!("[[rule]]\n{lines}\n{files}"))).to_owned()
            };
            let line = by_file(&world, &rule("allow")).refused(2);
            assert!(line.contains(&format!("line 1: the rule x allows what is not there: {why}")), "{line}");
            assert_eq!(shown(&world), before);
        }
        for option in ["--exe", "--script"] {
            let line = with_password(&world, &["policy", "allow", "--secrets", "a", option, path]).refused(2);
            assert!(line.contains(&why), "{line}");
        }
    }
    // What keeps back may be about what is not there yet, and that is told.
    let deny = format!(
        "[[rule]]\nid = \"x\"\ndecision = \"deny\"\nsecrets = [\"a\"]\nactions = [\"get\"]\nexe = \"{gone}\"\n"
    );
    let sealed = String::from_utf8(world.ctl(&["policy", "show"]).ok()).unwrap();
    let told = by_file(&world, text(&world.file("rules.toml", format!("{sealed}{deny}")))).text();
    assert!(told.contains(&format!("Warning: there is no file {gone}")), "{told}");
    assert_eq!(ids(&world), ["deploy", "x"]);
    // A rule whose script is gone stays as it is, but cannot become another one.
    fs::remove_file(&script).unwrap();
    let sealed = String::from_utf8(world.ctl(&["policy", "show"]).ok()).unwrap();
    let same = by_file(&world, text(&world.file("rules.toml", &sealed))).output();
    assert!(same.code == 0 && same.stderr.contains("nothing was sealed"), "{}", same.stderr);
    let other = sealed.replace("\"db/*\"", "\"**\"");
    let line = by_file(&world, text(&world.file("rules.toml", other))).refused(2);
    assert!(line.contains(&format!("there is no file {}", text(&script))), "{line}");
}

#[test]
fn machines_replace_the_rules_by_a_file() {
    let (world, script) = stage();
    let other = asker(&world, "other.py");
    let was = shown(&world);
    let rules = format!(
        "[[rule]]\nid = \"other\"\ndecision = \"allow\"\nsecrets = [\"db/a\"]\nactions = [\"get\"]\n\
         exe = \"/usr/bin/python3\"\nscript = \"{}\"\n",
        text(&other)
    );
    let file = world.file("rules.toml", &rules);
    let count = sealings(&world);
    let told = by_file(&world, text(&file)).text();
    assert!(told.contains("@@ other is new @@") && told.contains("\n+script_sha256"), "{told}");
    assert!(told.contains("@@ deploy is taken away @@"), "{told}");
    assert_eq!(sealings(&world), count + 1);
    assert_eq!(recorded(&world, "change-rules", "allowed")["by"], "rules:other,deploy");
    ask(&world, &other, "db/a").served("value a");
    ask(&world, &script, "db/a").denied();
    // The same once more is no change; what is shown is what is read.
    let quiet = by_file(&world, text(&file)).output();
    assert_eq!((quiet.code, quiet.stdout.len()), (0, 0), "{}", quiet.stderr);
    assert!(quiet.stderr.contains("nothing was sealed"));
    let printed = world.ctl(&["policy", "show"]).ok();
    let printed = world.file("printed.toml", printed);
    assert!(by_file(&world, text(&printed)).output().stderr.contains("nothing was sealed"));
    assert_eq!(sealings(&world), count + 1);

    // By stdin, with the password from elsewhere; and in many parts.
    let many: String = (0..300).map(|n| rules.replace("\"other\"", &format!("\"r{n}\""))).collect();
    let line = format!("ctl policy edit --file - --password-fd 3 3<<'.'\n{PASSWORD}\n.\n");
    world.shell(&line).stdin(many.replace("db/a", &format!("db/{}", "x".repeat(200)))).ok();
    assert_eq!(ids(&world).len(), 300);
    assert_eq!(shown(&world)[299]["id"], "r299");
    by_file(&world, text(&file)).ok();

    // What is none is refused whole, with its line.
    let bad = format!("{rules}\n{}", rules.replace("\"get\"", "\"admin\"").replace("\"other\"", "\"bad\""));
    let line = by_file(&world, text(&world.file("bad.toml", bad))).refused(2);
    assert!(line.contains("line 9: the rule bad has an action"), "{line}");
    let everything = rules.replace(&format!("script = \"{}\"\n", text(&other)), "");
    let line = by_file(&world, text(&world.file("bad.toml", everything))).refused(2);
    assert!(line.contains("line 1: the rule other allows an interpreter"), "{line}");
    let twice = format!("{rules}{rules}");
    assert!(by_file(&world, text(&world.file("bad.toml", twice))).refused(2).contains("is there twice"));
    let huge = world.file("bad.toml", "#".repeat((2 << 20) + 1));
    assert!(by_file(&world, text(&huge)).refused(2).contains("at most"));
    by_file(&world, "nowhere.toml").refused(1);
    let line = world.ctl(&["policy", "edit", "--file", "-", "--password-stdin"]).refused(2);
    assert!(line.contains("stdin cannot be both"), "{line}");
    assert_eq!(ids(&world), ["other"]);
    // Nothing at all takes them all away.
    by_file(&world, text(&world.file("none.toml", ""))).ok();
    assert_eq!(shown(&world), serde_json::json!([]));
    assert_eq!(was[0]["id"], "deploy", "control");
}

#[test]
fn without_the_password_or_a_terminal_nothing_is_shown_and_nothing_sealed() {
    let (world, script) = stage();
    let before = shown(&world);
    let file = world.file("rules.toml", "");
    let line = world.ctl(&["policy", "edit"]).refused(13);
    assert!(line.contains("there is no terminal to edit at: ctl policy edit --file"), "{line}");
    with_password(&world, &["policy", "edit"]).refused(2);
    let wrong = world.ctl(&["policy", "edit", "--file", text(&file), "--password-stdin"]);
    wrong.stdin("wrong otters juggle plums").refused(7);
    // From a granted terminal it is told what would change; sealed it is by the password only.
    let out = world.ctl(&["policy", "edit", "--file", text(&file)]).output();
    assert_eq!(out.code, 13, "{}", out.stderr);
    assert!(String::from_utf8(out.stdout).unwrap().contains("@@ deploy is taken away @@"));
    let line = world.shell(&format!("setsid --wait ctl policy edit --file {}", text(&file))).refused(4);
    assert!(line.contains("only a terminal where the master password was typed"), "{line}");
    // Another terminal is refused, without a question for the password.
    let mut terminal = world.shell_at_terminal();
    for line in ["EDITOR='touch edited; true' ctl policy edit", "ctl policy edit --file rules.toml"] {
        terminal.send_line(line);
        let told = terminal.expect("[4] ");
        let why = "only a terminal where the master password was typed";
        assert!(
            told.contains(why) && !told.contains("secrets") && !told.contains("Master password"),
            "{told}"
        );
    }
    assert!(!world.home("edited").exists());
    assert_eq!(shown(&world), before);
    ask(&world, &script, "db/a").served("value a");
}

#[test]
fn a_program_that_speaks_the_protocol_gets_no_further() {
    let (world, _) = stage();
    let before = shown(&world);
    let python = scripts::scripts(&world);
    let run = |attack: &str| -> Value {
        let socket = world.socket();
        let args = [text(&python), text(&socket), attack];
        let script = python.join("edits.py");
        let out = world.python(&script, &args).stdin(PASSWORD).text();
        serde_json::from_str(&out).unwrap()
    };
    // Stamped, the daemon takes no password from a program that is not ours.
    let proven = |told| if stamped() { "denied" } else { told };
    for (attack, told) in [
        ("without the password", "denied"),
        ("the rest of nothing", "protocol"),
        ("what was never shown", "protocol"),
        ("sealed though never shown", "protocol"),
        ("a wrong place", proven("protocol")),
        ("too much", proven("usage")),
        ("of other rules", proven("conflict")),
    ] {
        assert_eq!(run(attack), told, "{attack}");
        assert_eq!(shown(&world), before, "{attack}");
    }
    // A wrong password costs time: last.
    assert_eq!(run("with a wrong password"), proven("wrong-password"));
    assert_eq!(shown(&world), before);
    if stamped() {
        assert_eq!(run("with the password"), "denied");
        return;
    }
    let control = || run("with the password") == "sealed";
    assert!(wait_until(control, Duration::from_secs(20)), "control");
    assert_eq!(ids(&world), [""; 0]);
}
