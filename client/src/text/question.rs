//! A question as the person reads it who says yes or no: what is wanted, by whom, and what each piece of
//! that is worth. In quotes stands what a process says of itself, and each name that is not plain.

use std::fmt::Write;

use glassdome_proto::policy::Question;
use glassdome_proto::{List, Text, limits};
use serde::Serialize;

use super::escape::{escaped, name, quoted};
use super::hex::hex;
use super::picture;
use super::style::Style;

type Names<'a> = List<Text<'a, { limits::NAME }>, { limits::ASKED }>;

/// `get aws/prod/key, db/password`.
pub(crate) fn wanted(deed: &str, names: &Names<'_>) -> String {
    let shown: Vec<String> = names.iter().map(|secret| name(secret)).collect();
    match shown.as_slice() {
        [] => format!("{deed} all names"),
        names => format!("{deed} {}", names.join(", ")),
    }
}

/// `"bash" → "make" → "python3"`: what processes call themselves.
fn line(question: &Question<'_>) -> String {
    question.line.iter().map(|process| quoted(process)).collect::<Vec<_>>().join(" → ")
}

/// Everything that there is to judge by.
pub(crate) fn whole(question: &Question<'_>, style: Style) -> String {
    let Question { id, deed, names, left_ms, rule, subject, why, .. } = question;
    let mut text = String::new();
    let mut row = |key: &str, value: &str| {
        // Writing to a string does not fail.
        writeln!(text, "{key:<12}{value}").ok();
    };
    let left = left_ms.div_ceil(1000);
    row(
        &format!("question {id}"),
        &format!("{} ({left} s left)", style.strong(&wanted(&escaped(deed), names))),
    );
    row("  asks", &style.strong(&picture::label(subject)));
    row("  line", &line(question));
    if question.through_client {
        row("", &style.faint("by running one of glassdome's programs"));
    }
    row("  hard", &format!("user {}", subject.uid));
    row("  firm", &picture::firm(subject));
    row("  weak", &picture::weak(subject.exe.as_ref()));
    if let Some(words) = picture::words(subject) {
        row("  its word", &words);
    }
    row("  why", &escaped(why));
    if let Some(rule) = rule {
        row("  because", &format!("the sealed rule {} wants you to be asked", name(rule)));
    }
    text
}

/// In one line, for a list.
pub(crate) fn brief(question: &Question<'_>) -> Vec<String> {
    let Question { id, deed, names, left_ms, subject, .. } = question;
    let script = subject.script.as_ref().map(|script| format!(" {}", quoted(&script.path)));
    let tty = if subject.tty.is_empty() { "no terminal".to_owned() } else { escaped(&subject.tty) };
    vec![
        id.to_string(),
        wanted(&escaped(deed), names),
        format!("{}{}", picture::label(subject), script.unwrap_or_default()),
        tty,
        format!("{} s left", left_ms.div_ceil(1000)),
    ]
}

/// A question for programs. Keys are never renamed or taken away.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    id: u32,
    deed: &'a str,
    names: Vec<&'a str>,
    left_ms: u32,
    rule: Option<&'a str>,
    pid: u32,
    name: &'a str,
    started: u64,
    tty: Option<&'a str>,
    line: Vec<&'a str>,
    exe: Option<File<'a>>,
    script: Option<File<'a>>,
    why: &'a str,
    holdable: bool,
    rememberable: bool,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    sha256: Option<String>,
}

pub(crate) fn document<'a>(question: &'a Question<'_>) -> Document<'a> {
    let subject = &question.subject;
    let file =
        |path: &'a str, sha256: Option<[u8; 32]>| File { path, sha256: sha256.map(|digest| hex(&digest)) };
    Document {
        id: question.id,
        deed: &question.deed,
        names: question.names.iter().map(|name| &**name).collect(),
        left_ms: question.left_ms,
        rule: question.rule.as_deref(),
        pid: subject.pid,
        name: &subject.name,
        started: subject.started,
        tty: (!subject.tty.is_empty()).then_some(&*subject.tty),
        line: question.line.iter().map(|name| &**name).collect(),
        exe: subject.exe.as_ref().map(|exe| file(&exe.path, exe.sha256)),
        script: subject.script.as_ref().map(|script| file(&script.path, script.sha256)),
        why: &question.why,
        holdable: question.holdable,
        rememberable: question.rememberable,
    }
}

#[cfg(test)]
mod tests {
    use glassdome_proto::policy::{Exe, Process, Script};

    use super::*;

    fn question() -> Question<'static> {
        let text = |word: &'static str| Text::new(word).unwrap();
        let names = List::new(vec![text("aws/prod/key"), Text::new("db\x1b[2J").unwrap()]).unwrap();
        let exe = Exe {
            path: Text::new("/usr/bin/python3.13").unwrap(),
            dev: 1,
            ino: 2,
            owner: 0,
            writable: false,
            sha256: None,
        };
        let script = Script { path: Text::new("/home/u/deploy.py").unwrap(), sha256: Some([0xab; 32]) };
        let subject = Process {
            pid: 4711,
            uid: 1000,
            started: 1_795_348_800,
            name: Text::new("python3").unwrap(),
            session: 4700,
            tty: Text::new("pts/3").unwrap(),
            forked: false,
            launcher: false,
            exe: Some(exe),
            script: Some(script),
        };
        Question {
            id: 3,
            deed: Text::new("remove for good").unwrap(),
            names,
            left_ms: 57_001,
            rule: Some(Text::new("careful").unwrap()),
            subject,
            line: List::new(vec![Text::new("bash").unwrap(), Text::new("python3").unwrap()]).unwrap(),
            through_client: true,
            why: Text::new("no rule allows that").unwrap(),
            holdable: false,
            rememberable: true,
        }
    }

    #[test]
    fn it_shows_what_a_person_can_judge_by() {
        let text = whole(&question(), Style::plain());
        for line in [
            r#"question 3  remove for good aws/prod/key, "db\u{1b}[2J" (58 s left)"#,
            "  asks      python3.13 (4711)\n",
            "  line      \"bash\" → \"python3\"\n",
            "  weak      /usr/bin/python3.13: only root can change it\n",
            "  its word  runs \"/home/u/deploy.py\", sha256 abababab",
            "  why       no rule allows that\n",
            "  because   the sealed rule careful wants you to be asked\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let json = serde_json::to_value(document(&question())).unwrap();
        assert_eq!(json["script"]["sha256"], "ab".repeat(32));
        assert_eq!((&json["names"][0], &json["deed"]), (&"aws/prod/key".into(), &"remove for good".into()));
    }

    #[test]
    fn names_are_counted() {
        let names = |names: &[&'static str]| {
            List::new(names.iter().map(|name| Text::new(*name).unwrap()).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(wanted("list", &names(&[])), "list all names");
        assert_eq!(wanted("set", &names(&["a"])), "set a");
    }
}
