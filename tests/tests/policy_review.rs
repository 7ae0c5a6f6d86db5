//! What is shown before rules are sealed, and what becomes of the text when they are not: no line leaves the screen
//! unconfirmed, the password is asked for once, and what was typed is kept unless its writer gives it up.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/askers.rs"]
mod askers;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/rule_editing.rs"]
mod rule_editing;
#[path = "support/scripts.rs"]
mod scripts;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use glassdome_tests::{PASSWORD, Pty, World, text, wait_until};
use rule_editing::{edit, editor, granted, ids, left, seal, sealings, sized, stage};

/// The one text that is kept, which is told where it can be sealed; it is taken away.
fn kept(world: &World, told: &str) -> String {
    let [kept] = &left(world)[..] else { panic!("{:?} {told}", left(world)) };
    let path = world.runtime().join("glassdome").join(kept);
    assert!(told.contains(&format!("your text is kept: ctl policy edit --file {}", text(&path))), "{told}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    kept
}

#[test]
fn what_was_typed_is_kept_whatever_ends_it() {
    let (world, _) = stage();
    let count = sealings(&world);
    let mut terminal = granted(&world);
    let rename = editor(&world, "echo $PPID > pid; sed -i 's/\"deploy\"/\"other\"/' \"$1\"");
    let rename = format!("exec {rename}");
    let kill = |signal: &str| {
        let pid = fs::read_to_string(world.home("pid")).unwrap().trim().to_owned();
        world.shell(&format!("kill -{signal} {pid}; :")).ok();
    };
    for (signal, prompt) in [("INT", "[130] "), ("HUP", "[129] "), ("TERM", "[143] ")] {
        for asked in ["Seal it", "Master password: "] {
            edit(&mut terminal, &rename);
            if asked != "Seal it" {
                terminal.send_line("s");
                terminal.expect(asked);
            }
            match signal {
                "INT" => terminal.send("\x03"),
                signal => kill(signal),
            }
            let told = terminal.expect(prompt);
            assert!(kept(&world, &told).contains("id            = \"other\""), "{signal} at {asked}");
        }
    }
    // The terminal echoes again.
    terminal.run("echo seen");
    terminal.expect("seen\n");
    terminal.expect("[0] ");

    // An editor that ends badly, at once or the second time, and one that is ended after it saved.
    let fails = editor(&world, "sed -i 's/\"deploy\"/\"other\"/' \"$1\"; exit 1");
    terminal.send_line(&format!("EDITOR={fails} ctl policy edit"));
    let told = terminal.expect("[1] ");
    assert!(kept(&world, &told).contains("\"other\""));
    let again = "if [ -e again ]; then exit 1; fi; touch again; sed -i 's/\"deploy\"/\"other\"/' \"$1\"";
    edit(&mut terminal, &editor(&world, again));
    terminal.send_line("e");
    let told = terminal.expect("[1] ");
    assert!(kept(&world, &told).contains("\"other\""));
    let saves = "echo $PPID > pid; sed -i 's/\"deploy\"/\"other\"/' \"$1\"; touch edited; exec sleep 1000";
    let saves = editor(&world, saves);
    terminal.send_line(&format!("EDITOR='exec {saves}' ctl policy edit"));
    assert!(wait_until(|| world.home("edited").exists(), Duration::from_secs(20)));
    kill("TERM");
    let told = terminal.expect("[143] ");
    assert!(kept(&world, &told).contains("\"other\""));

    // A text that nobody can seal is no loss; whoever gives up wants nothing kept.
    let long = editor(&world, "head -c 2100000 /dev/zero | tr '\\0' '#' >> \"$1\"");
    let told = edit(&mut terminal, &long);
    assert!(told.contains("at most") && told.ends_with("Edit again [e], give up [q]? "), "{told}");
    terminal.send("\x04");
    let told = terminal.expect("[13] ");
    assert!(kept(&world, &told).len() > 2_100_000);
    edit(&mut terminal, &rename);
    terminal.send_line("q");
    terminal.expect("[0] ");
    assert_eq!(left(&world), [""; 0]);
    assert_eq!((sealings(&world), ids(&world)), (count, vec!["deploy".to_owned()]));
}

/// Goes on until something else is asked; what each screen shows.
fn screens(terminal: &mut Pty, more: &str, last: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let screen = terminal.expect("]? ");
        let is_last = screen.ends_with(last);
        assert!(is_last || screen.ends_with(more), "{screen}");
        all.push(screen);
        if is_last {
            return all;
        }
        terminal.send_line("");
        // What was typed is shown.
        terminal.expect("\n");
    }
}

#[test]
fn no_rule_is_sealed_that_was_not_on_the_screen() {
    const MORE: &str = "more [Enter], edit again [e], give up [q]? ";
    let (world, _) = stage();
    let count = sealings(&world);
    let long = |c: &str| format!("\"{}\"", c.repeat(240));
    let globs: Vec<String> = ["a", "b", "c", "d", "e", "f", "g"].map(long).to_vec();
    let evil = format!(
        "[[rule]]\nid=\"evil\"\ndecision=\"allow\"\nsecrets=[{},\"**\"]\nactions=[\"get\"]\nexe=\"/bin/sleep\"\n",
        globs.join(",")
    );
    let padding: String = (0..30)
        .map(|n| format!("[[rule]]\nid=\"p{n}\"\ndecision=\"deny\"\nsecrets=[\"p{n}\"]\nactions=[\"get\"]\n"))
        .collect();
    let added = world.file("added.toml", format!("{evil}{padding}"));
    // While it is edited, any program of the person's writes to it.
    let editor = editor(&world, &format!("cat {} >> \"$1\"", text(&added)));
    let mut terminal = granted(&world);
    sized(&mut terminal, 30, 80);
    terminal.run(&format!("EDITOR=\"{editor}\" ctl policy edit"));
    // Neither a yes nor anything else goes on to the password before all was seen.
    assert!(terminal.expect("]? ").ends_with(MORE));
    terminal.send_line("s");
    assert!(terminal.expect("]? ").ends_with(MORE));
    terminal.send_line("q");
    terminal.expect("nothing was sealed");
    terminal.expect("[0] ");
    terminal.run(&format!("EDITOR=\"{editor}\" ctl policy edit"));
    let all = screens(&mut terminal, MORE, "Seal it [s], edit again [e], give up [q]? ");
    assert!(all.len() > 5, "{all:?}");
    for screen in &all {
        assert!(screen.lines().count() <= 30, "{screen}");
        assert!(screen.lines().all(|line| line.len() < 80), "{screen}");
    }
    let last = all.last().unwrap();
    let end = "! new     evil: allow get \"**\" and 7 more for program \"/usr/bin/sleep\"\n\
               rules: 31 new, 0 changed, 0 taken away\n\
               ! 1 of them may give more than before\n\
               Seal it [s], edit again [e], give up [q]? ";
    assert!(last.ends_with(end), "{last}");
    let seen = all.concat().replace("\n        ", "");
    assert!(seen.contains("@@ evil is new @@") && seen.contains(", \"**\"]\n"), "{seen}");
    terminal.send_line("q");
    terminal.expect("[0] ");

    // By a file the same, right above the password.
    let sealed = String::from_utf8(world.ctl(&["policy", "show"]).ok()).unwrap();
    let file = world.file("rules.toml", format!("{sealed}{evil}{padding}"));
    terminal.run(&format!("ctl policy edit --file {}", text(&file)));
    assert!(terminal.expect("]? ").ends_with("more [Enter], give up [q]? "));
    terminal.send_line("q");
    terminal.expect("nothing was sealed");
    terminal.expect("[0] ");
    let few =
        world.file("few.toml", format!("{sealed}{}", evil.replace(&format!("{},", globs.join(",")), "")));
    terminal.run(&format!("ctl policy edit --file {}", text(&few)));
    let told = terminal.expect("Master password: ");
    assert!(told.contains("! new     evil: allow get \"**\" for program \"/usr/bin/sleep\""), "{told}");
    terminal.send("\x04");
    terminal.expect("[13] ");

    // Nor is a single rule longer than the screen.
    let globs = globs.join(",").replace('"', "");
    sized(&mut terminal, 20, 80);
    terminal.run(&format!("ctl policy allow --exe /bin/sleep --secrets {globs}"));
    assert!(terminal.expect("? ").ends_with("more [Enter], give up [q]? "));
    terminal.send_line("q");
    terminal.expect("nothing was sealed");
    terminal.expect("[0] ");
    terminal.run("ctl policy allow --exe /bin/sleep --secrets few");
    assert!(!terminal.expect("Master password: ").contains("more"), "control");
    terminal.send("\x04");
    terminal.expect("[13] ");
    assert_eq!((sealings(&world), ids(&world)), (count, vec!["deploy".to_owned()]));
}

#[test]
fn with_the_pin_the_rules_are_seen_and_the_password_is_asked_for_once() {
    let (world, _) = stage();
    let line = format!("ctl pin set --password-fd 3 --pin-fd 4 3<<<'{PASSWORD}' 4<<<'739164'");
    world.program(Path::new("/bin/bash"), &["-c", &line]).ok();
    let mut terminal = world.shell_at_terminal();
    sized(&mut terminal, 40, 200);
    terminal.send_line("EDITOR='sed -i /^id/s/deploy/other/' ctl policy edit");
    let told = terminal.expect("Approval PIN (this terminal is not granted): ");
    assert!(!told.contains("denied"), "{told}");
    terminal.send_line("739164");
    let told = terminal.expect("Seal it [s]");
    assert!(!told.contains("Master password") && !told.contains("denied"), "{told}");
    terminal.expect("? ");
    seal(&mut terminal);
    terminal.expect("sealed the changes of 2 rules");
    terminal.expect("[0] ");
    assert_eq!(ids(&world), ["other"]);
}

#[test]
fn what_could_not_be_told_is_not_sealed() {
    let (world, _) = stage();
    let count = sealings(&world);
    world.file("none.toml", "");
    let edit = |out: &str| {
        let line = format!("ctl policy edit --file none.toml --password-fd 3 {out} 3<<'.'\n{PASSWORD}\n.\n");
        // Nobody reads the second pipe any more.
        let closed = format!("exec 4> >(:); wait $!; {line}");
        world.program(Path::new("/bin/bash"), &["-c", &closed]).output()
    };
    for out in ["> /dev/full", ">&4"] {
        let told = edit(out);
        assert_eq!(told.code, 1, "{out}: {}", told.stderr);
        assert!(told.stderr.contains("nothing was sealed"), "{out}: {}", told.stderr);
        assert_eq!((sealings(&world), ids(&world)), (count, vec!["deploy".to_owned()]), "{out}");
    }
    assert_eq!(edit("> /dev/null").code, 0, "control");
    assert_eq!(ids(&world), [""; 0]);
}
