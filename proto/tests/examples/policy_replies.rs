//! What is answered about rules, grants, questions and handles.

use glassdome_proto::policy::{
    Action, Answer as Policy, Change, Checked, Claims, Condition, Decision, Edit, Exe, Explained, Finding,
    Grant, Handle, Manager, Ours, Picture, Pinned, Process, Question, Remembered, Rule, Script, ScriptCopy,
    Unit,
};
use glassdome_proto::{Glob, Rate};

use super::{NONCE, THEN, list, text};

/// Rules, grants, questions, and what a process is seen as.
pub fn rules_and_questions() -> Vec<(&'static str, Policy<'static>)> {
    let program = Rule { script: None, ..rule() };
    let anyone = Rule { decision: Decision::Deny, exe: None, ..program.clone() };
    let unit = Rule {
        exe: None,
        unit: Some(Unit { manager: Manager::User, name: text("api.service") }),
        rate: Rate::parse("60/min"),
        expires: Some(THEN),
        ..program.clone()
    };
    let checked = |rule| Checked { rule, warnings: list(vec![]) };
    let warned = Checked { rule: unit, warnings: list(vec![text("its time is over")]) };
    let grant = Grant {
        id: 300,
        pid: 4700,
        name: text("bash"),
        tty: text("pts/3"),
        since: THEN,
        token: true,
        yours: true,
    };
    let elsewhere = Grant { id: 301, tty: text(""), token: false, yours: false, ..grant.clone() };
    let for_a_while = Remembered {
        id: 302,
        since: THEN,
        pid: 4711,
        name: text("python3"),
        action: Action::Get,
        names: list(vec![text("aws/prod/key")]),
        script: Some(text("/home/u/deploy.py")),
        exe: Some(text("/usr/bin/python3.13")),
        left_s: Some(900),
    };
    let for_a_process = Remembered { id: 303, script: None, exe: None, left_s: None, ..for_a_while.clone() };
    vec![
        ("of a program", Policy::Picture(picture_of_a_program())),
        ("of a client", Policy::Picture(picture_of_a_client())),
        ("", Policy::Rules { rules: list(vec![rule(), program, anyone]), more: true }),
        ("", Policy::Draft(checked(rule()).into())),
        ("", Policy::Allowed(checked(rule()).into())),
        ("", Policy::RuleRemoved),
        ("", Policy::Grants(list(vec![grant, elsewhere]))),
        ("", Policy::Revoked),
        ("", Policy::Questions { questions: list(vec![question()]), state: 300 }),
        ("none", Policy::Questions { questions: list(vec![]), state: 0 }),
        ("", Policy::Answers { answers: list(vec![for_a_while, for_a_process]), more: false }),
        ("once", Policy::Approved { answer: None }),
        ("and remembered", Policy::Approved { answer: Some(302) }),
        ("", Policy::Refused),
        ("with a warning", Policy::Draft(warned.into())),
        ("", tested(Some("rule:deploy"), vec![Finding { unmet: None, ..finding() }, finding()])),
        ("by nothing", tested(None, vec![])),
    ]
}

/// Handles.
pub fn handles() -> Vec<(&'static str, Policy<'static>)> {
    vec![
        ("", Policy::Handle { id: 303, unit: None }),
        ("", Policy::Handles { handles: list(vec![handle()]), more: false }),
    ]
}

/// Those of a script, in a unit.
pub fn handles_of_scripts() -> Vec<(&'static str, Policy<'static>)> {
    let script = ScriptCopy { path: text("/home/u/deploy.py"), sha256: NONCE };
    let handle =
        Handle { script: Some(script), unit: Some(text("shop-api.service")), ends: None, ..handle() };
    vec![("of a script", Policy::Handles { handles: list(vec![handle]), more: true })]
}

/// One that is bound to a unit.
pub fn bound_handles() -> Vec<(&'static str, Policy<'static>)> {
    vec![("in a unit", Policy::Handle { id: 304, unit: Some(text("shop-api.service")) })]
}

fn handle() -> Handle<'static> {
    Handle {
        id: 303,
        pid: 4711,
        name: text("make"),
        by: text("terminal:3"),
        secrets: list(vec![Glob::parse("shop/*").unwrap()]),
        since: THEN,
        ends: Some(THEN + 600),
        script: None,
        unit: None,
    }
}

fn rule() -> Rule<'static> {
    Rule {
        id: text("deploy"),
        secrets: list(vec![Glob::parse("aws/prod/*").unwrap()]),
        actions: list(vec![Action::Get, Action::List]),
        decision: Decision::Allow,
        exe: Some(Pinned { path: text("/usr/bin/python3.13"), sha256: None }),
        script: Some(Pinned { path: text("/home/u/deploy.py"), sha256: Some(NONCE) }),
        made: THEN,
        unit: None,
        rate: None,
        expires: None,
    }
}

fn edits() -> [Vec<Edit<'static>>; 2] {
    let changed = Edit {
        change: Change::Changed,
        rule: rule(),
        was: Some(Rule { script: None, ..rule() }),
        warnings: list(vec![text("its time is over: it says nothing")]),
    };
    let of = |change| Edit { change, rule: rule(), was: None, warnings: list(vec![]) };
    [vec![changed, of(Change::None)], vec![of(Change::New), of(Change::Removed)]]
}

/// What became of an edit, and an explanation.
pub fn edited() -> Vec<(&'static str, Policy<'static>)> {
    vec![
        ("", Policy::PartTaken),
        ("", Policy::Edits { base: NONCE, edits: list(edits()[0].clone()), more: true }),
        ("of others", Policy::Edits { base: NONCE, edits: list(edits()[1].clone()), more: false }),
        ("nothing", Policy::Edits { base: NONCE, edits: list(vec![]), more: false }),
        ("", Policy::EditsSealed),
        ("", Policy::Explained(explained().into())),
    ]
}

fn explained() -> Explained<'static> {
    Explained {
        action: Action::Get,
        names: list(vec![text("aws/prod/key")]),
        pid: 4711,
        program: text("python3.13"),
        script: Some(text("/home/u/deploy.py")),
        why: text("no rule allows that"),
        decision: Decision::Ask,
        by: None,
        findings: list(vec![finding()]),
        more: false,
    }
}

fn question() -> Question<'static> {
    Question {
        id: 3,
        deed: text("get"),
        names: list(vec![text("aws/prod/key"), text("db")]),
        left_ms: 58_000,
        rule: Some(text("careful")),
        subject: process(4711, "python3"),
        line: list(vec![text("bash"), text("python3")]),
        through_client: true,
        why: text("no rule allows that"),
        holdable: false,
        rememberable: true,
    }
}

fn finding() -> Finding<'static> {
    Finding { rule: text("deploy"), decision: Decision::Allow, unmet: Some(Condition::Unseen) }
}

fn tested(by: Option<&'static str>, findings: Vec<Finding<'static>>) -> Policy<'static> {
    let decision = if by.is_some() { Decision::Allow } else { Decision::Ask };
    Policy::Tested { decision, by: by.map(text), findings: list(findings), more: false }
}

fn process(pid: u32, word: &'static str) -> Process<'static> {
    Process {
        pid,
        uid: 1000,
        started: THEN,
        name: text(word),
        session: 4700,
        tty: text("pts/3"),
        forked: false,
        launcher: false,
        exe: None,
        script: None,
    }
}

fn picture_of_a_program() -> Picture<'static> {
    let exe = Exe {
        path: text("/usr/bin/python3.13"),
        dev: 66_306,
        ino: 1_234_567,
        owner: 0,
        writable: false,
        sha256: Some(NONCE),
    };
    let script = Script { path: text("/home/u/deploy.py"), sha256: None };
    let python = Process { exe: Some(exe), script: Some(script), ..process(4711, "python3") };
    let init = Process { session: 0, tty: text(""), ..process(1, "systemd") };
    Picture {
        chain: list(vec![python, process(4700, "bash"), init]),
        subject: 0,
        client: None,
        claims: Some(Claims { client: text("deploy"), version: text("2.0") }),
        grant: None,
        missing: Some(text("no rule covers it")),
        rules: list(vec![]),
    }
}

fn picture_of_a_client() -> Picture<'static> {
    let forked = Process { forked: true, ..process(4710, "bash") };
    let launcher = Process { launcher: true, ..process(4711, "env") };
    Picture {
        chain: list(vec![process(4712, "ctl"), launcher, forked, process(4700, "bash")]),
        subject: 2,
        client: Some(Ours::Stamp),
        claims: None,
        grant: Some(300),
        missing: None,
        rules: list(vec![text("deploy"), text("backup")]),
    }
}
