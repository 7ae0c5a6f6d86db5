//! What is told to whoever is refused, word for word where it is typed or could be forged.

use super::*;

fn script(path: &str) -> Asker {
    Asker {
        pid: 7,
        name: "python3".into(),
        script: Some(path.into()),
        interpreter: true,
        itself: true,
        uncovered: Some(Uncovered::Program),
        ..Asker::default()
    }
}

fn line(secret: &str, asker: &Asker) -> String {
    denied(Question::Secret(Action::Get, secret), asker, None, None).message.to_string()
}

#[test]
fn the_command_that_would_allow_it_is_told() {
    let asker = script("/it's");
    let told = line("a", &asker);
    assert!(told.ends_with(r"ctl policy allow --secrets 'a' --script '/it'\''s'"), "{told}");
    let told = denied(Question::Secret(Action::Set, "a"), &asker, None, None).message;
    assert!(
        told.contains("denied set a: ") && told.contains("--secrets 'a' --actions set --script"),
        "{told}"
    );
    let told = line("a", &Asker { exe: Some("/bin/python3".into()), ..script("/s") });
    assert!(told.ends_with("--script '/s' --exe '/bin/python3'"), "{told}");
    let program = Asker { script: None, interpreter: false, exe: Some("/bin/x".into()), ..asker };
    assert!(line("a", &program).ends_with("--secrets 'a' --exe '/bin/x'"));
}

#[test]
fn the_command_covers_no_more_than_was_asked_for() {
    let told = line(r"a,b*\", &script("/s"));
    assert!(told.starts_with(r"denied “a,b*\”: ") && told.contains("--secrets 'a?b??' "), "{told}");
    assert!(line("-a", &script("/s")).contains(" --secrets='-a' "), "no option of its own");
}

#[test]
fn what_cannot_be_shown_or_typed_is_named_by_its_process() {
    for path in ["/a\x1b[2J\nb", "/a\u{202e}b", r"/a\'; touch pwned; #/x", &format!("/{}", "x".repeat(200))] {
        let told = line("a", &script(path));
        assert!(told.ends_with("--secrets 'a' --like 7"), "{told}");
        assert!(!told.contains(path) && !told.contains(['\x1b', '\n', '\u{202e}']), "{told}");
    }
}

#[test]
fn nothing_is_told_for_the_first_process_or_one_that_cannot_be_seen() {
    let unseen = Asker { script: None, interpreter: false, ..script("") };
    let first = Asker { pid: 1, ..script("/a\\") };
    let uncovered = || [Uncovered::Program, Uncovered::NotGranted, Uncovered::Off];
    for mut asker in [unseen, first] {
        for uncovered in uncovered() {
            asker.uncovered = Some(uncovered);
            let told = line("a", &asker);
            assert!(told.contains("no rule allows") && !told.contains("ctl policy"), "{told}");
        }
    }
    assert!(line("a", &Asker { pid: 1, ..script("/s") }).ends_with(" --script '/s'"));
}

#[test]
fn what_ran_it_is_told_where_it_was_looked_at() {
    let asker = Asker { uncovered: Some(Uncovered::NotGranted), ..script("/s") };
    let line_of = |line: &[&str]| line.iter().map(|name| (*name).to_owned()).collect();
    let whole = line_of(&["zsh", "make", "python3"]);
    let told = line("a", &Asker { line: whole, uncovered: Some(Uncovered::NotGranted), ..script("/s") });
    assert!(told.contains("python3 running s (pid 7; zsh → make → python3) ran it"), "{told}");
    assert!(line("a", &asker).contains("python3 running s (pid 7) ran it"), "{told}");
}

#[test]
fn no_name_forges_a_command() {
    let forged = "x (pid 8) ran it. Allow: ctl policy allow --secrets '**' --script /tmp/evil.py";
    let askers = [
        script(&format!("/tmp/{forged}")),
        Asker { name: forged.into(), exe: Some("/bin/sh".into()), ..script("/s") },
        Asker { line: vec![forged.into(); 24], uncovered: Some(Uncovered::NotGranted), ..script("/s") },
    ];
    for asker in askers {
        for secret in ["a", forged] {
            let told = line(secret, &asker);
            assert!(!told.contains("--script /tmp"), "{told}");
            // Outside of quotation marks there is one command, which comes last.
            let mut outside = String::new();
            for (at, part) in told.split(['“', '”']).enumerate() {
                outside.push_str(if at % 2 == 0 { part } else { "NAME" });
            }
            let (why, command) = outside.split_once(" Allow: ").expect("it tells a command");
            assert!(!why.contains("ctl ") && !why.contains("Allow"), "{told}");
            assert!(command.starts_with("ctl policy allow --secrets '"), "{told}");
            assert!(!command.contains("Allow:") && command.matches("ctl ").count() == 1, "{told}");
        }
    }
    let launched = Asker { uncovered: Some(Uncovered::Launched(forged.into())), ..script("/s") };
    assert!(
        line("a", &launched).starts_with("denied a: “x (pid 8) ran it. Allow: ctl policy allo…” ran it, ")
    );
}

#[test]
fn only_a_shell_that_leads_its_terminal_is_told_to_unlock_outright() {
    let shell = |line: &[&str]| Asker {
        name: "bash".into(),
        script: None,
        tty: "pts/3".into(),
        uncovered: Some(Uncovered::NotGranted),
        line: line.iter().map(|name| (*name).to_owned()).collect(),
        ..script("")
    };
    let told = line("a", &shell(&["bash"]));
    assert!(told.ends_with("not typed in this terminal (bash, pts/3). Type: ctl unlock"), "{told}");
    let told = line("a", &shell(&["zsh", "npm install", "bash"]));
    assert!(told.contains("bash (pid 7; zsh → “npm install” → bash) ran it"), "{told}");
    let launched = Asker { uncovered: Some(Uncovered::Launched("timeout\n".into())), ..shell(&["bash"]) };
    let told = line("a", &launched);
    assert!(told.contains(": “timeout?” ran it, ") && told.ends_with("without “timeout?”"), "{told}");
}

#[test]
fn no_command_is_cut_in_half() {
    for name in ["n".repeat(limits::NAME), "'".repeat(limits::NAME), "n'".repeat(limits::NAME / 2)] {
        let asker = Asker {
            uncovered: Some(Uncovered::NotGranted),
            line: vec!["“".repeat(5); 24],
            exe: Some(format!("/{}", "'".repeat(39))),
            ..script(&format!("/{}", "'".repeat(39)))
        };
        let told = line(&name, &asker);
        assert!(told.len() <= limits::MESSAGE, "{told}");
        let exe = asker.exe.as_deref().and_then(path).expect("just short enough");
        let command = format!("{} --script {exe} --exe {exe}", secrets(&name));
        assert!(told.ends_with(&command), "{told}");
    }
}
