//! The longest answers fit a frame: whoever raises a limit of the policy family finds here whether what
//! it bounds can still be sent.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroU32;

use glassdome_proto::policy::{
    Action, Answer as Policy, Change, Checked, Claims, Condition, Decision, Edit, Exe, Explained, Finding,
    Grant, Manager, Ours, Picture, Pinned, Process, Rule, Script, Unit,
};
use glassdome_proto::settings::{self, Setting};
use glassdome_proto::{
    Answer, Bytes, Field, Glob, HEADER_LEN, List, Name, Outcome, Per, Rate, Reply, Text, decode, encode,
    limits, policy, secrets, session,
};
use glassdome_proto::{Body, Request};

fn longest<const MAX: usize>() -> Text<'static, MAX> {
    Text::new("x".repeat(MAX)).unwrap()
}

fn full<T: Clone, const MAX: usize>(element: T) -> List<T, MAX> {
    List::new(vec![element; MAX]).unwrap()
}

fn pinned() -> Pinned<'static> {
    Pinned { path: longest(), sha256: Some([0xff; 32]) }
}

fn unit() -> Unit<'static> {
    Unit { manager: Manager::User, name: longest() }
}

fn rate() -> Rate {
    Rate { count: NonZeroU32::MAX, per: Per::Day }
}

fn rule() -> Rule<'static> {
    Rule {
        id: longest(),
        decision: Decision::Allow,
        secrets: full(Glob::parse(&"x".repeat(limits::GLOB)).unwrap()),
        actions: full(Action::Remove),
        exe: Some(pinned()),
        script: Some(pinned()),
        made: u64::MAX,
        unit: Some(unit()),
        rate: Some(rate()),
        expires: Some(u64::MAX),
    }
}

fn process() -> Process<'static> {
    let exe = Exe {
        path: longest(),
        dev: u64::MAX,
        ino: u64::MAX,
        owner: u32::MAX,
        writable: true,
        sha256: Some([0xff; 32]),
    };
    Process {
        pid: u32::MAX,
        uid: u32::MAX,
        started: u64::MAX,
        name: longest(),
        session: u32::MAX,
        tty: longest(),
        forked: true,
        launcher: true,
        exe: Some(exe),
        script: Some(Script { path: longest(), sha256: Some([0xff; 32]) }),
    }
}

fn picture() -> Picture<'static> {
    Picture {
        chain: full(process()),
        subject: u8::MAX,
        client: Some(Ours::File),
        claims: Some(Claims { client: longest(), version: longest() }),
        grant: Some(u32::MAX),
        missing: Some(longest()),
        rules: full(longest()),
    }
}

fn grant() -> Grant<'static> {
    Grant {
        id: u32::MAX,
        pid: u32::MAX,
        name: longest(),
        tty: longest(),
        since: u64::MAX,
        token: true,
        yours: true,
    }
}

/// The payload of the longest reply that carries `answer`, which must come back as it went.
fn fits(answer: Policy<'_>) -> usize {
    let mut buffer = vec![0; HEADER_LEN + limits::FRAME];
    let reply = Reply { id: u32::MAX, outcome: Outcome::Ok(Answer::Policy(answer)) };
    let len = encode(&reply, &mut buffer).expect("it fits a frame");
    let back: Reply<'_> = decode(&buffer[HEADER_LEN..len]).unwrap();
    assert_eq!(format!("{back:?}"), format!("{reply:?}"));
    len - HEADER_LEN
}

#[test]
fn a_page_of_the_longest_rules() {
    let len = fits(Policy::Rules { rules: full(rule()), more: true });
    assert!(len > limits::FRAME / 2, "{len}: the page could be larger");
    let checked = Checked { rule: rule(), warnings: full(longest()) };
    fits(Policy::Draft(checked.clone().into()));
    fits(Policy::Allowed(checked.into()));
}

#[test]
fn the_longest_settings() {
    let setting = Setting { key: longest(), value: longest(), default: true, about: longest() };
    let mut buffer = vec![0; HEADER_LEN + limits::FRAME];
    let reply =
        Reply { id: u32::MAX, outcome: Outcome::Ok(Answer::Settings(settings::Answer::All(full(setting)))) };
    encode(&reply, &mut buffer).expect("it fits a frame");
}

#[test]
fn a_picture_of_the_longest_chain() {
    let len = fits(Policy::Picture(picture()));
    assert!(len > limits::FRAME / 2, "{len}: the chain could be longer");
}

#[test]
fn a_page_of_the_longest_findings() {
    let finding = Finding { rule: longest(), decision: Decision::Deny, unmet: Some(Condition::Unseen) };
    let (by, findings) = (Some(longest()), full(finding));
    let len = fits(Policy::Tested { decision: Decision::Deny, by, findings, more: true });
    assert!(len > limits::FRAME / 2, "{len}: the page could be larger");
}

#[test]
fn a_page_of_the_longest_edits_and_the_longest_part() {
    let edit = Edit { change: Change::Removed, rule: rule(), was: Some(rule()), warnings: full(longest()) };
    let len = fits(Policy::Edits { base: [0xff; 32], edits: full(edit), more: true });
    assert!(len > limits::FRAME / 2, "{len}: the page could be larger");
    let request = policy::Request::Edit {
        at: u32::MAX,
        part: Bytes::new(&[b'x'; limits::CHUNK]).unwrap(),
        more: true,
        base: Some([0xff; 32]),
        proof: Bytes::new(&[b'x'; limits::PASSWORD]),
    };
    let mut buffer = vec![0; HEADER_LEN + limits::FRAME];
    let request = Request { id: u32::MAX, body: Body::Policy(request) };
    let len = encode(&request, &mut buffer).expect("it fits a frame");
    decode::<Request<'_>>(&buffer[HEADER_LEN..len]).unwrap();
}

#[test]
fn the_longest_explanation() {
    let explained = Explained {
        action: Action::Remove,
        names: full(longest()),
        pid: u32::MAX,
        program: longest(),
        script: Some(longest()),
        why: longest(),
        decision: Decision::Deny,
        by: Some(longest()),
        findings: full(Finding { rule: longest(), decision: Decision::Deny, unmet: Some(Condition::Unseen) }),
        more: true,
    };
    fits(Policy::Explained(explained.into()));
}

#[test]
fn the_longest_grants() {
    fits(Policy::Grants(full(grant())));
}

#[test]
fn a_page_of_the_longest_handles() {
    let handle = policy::Handle {
        id: u32::MAX,
        pid: u32::MAX,
        name: longest(),
        by: longest(),
        secrets: full(Glob::parse(&"x".repeat(limits::GLOB)).unwrap()),
        since: u64::MAX,
        ends: Some(u64::MAX),
        script: Some(policy::ScriptCopy { path: longest(), sha256: [0xff; 32] }),
        unit: Some(longest()),
    };
    let len = fits(Policy::Handles { handles: full(handle), more: true });
    assert!(len > limits::FRAME / 2, "{len}: the page could be larger");
}

#[test]
fn the_longest_questions_and_answers() {
    let question = policy::Question {
        id: u32::MAX,
        deed: longest(),
        names: full(longest()),
        left_ms: u32::MAX,
        rule: Some(longest()),
        subject: process(),
        line: full(longest()),
        through_client: true,
        why: longest(),
        holdable: true,
        rememberable: true,
    };
    let len = fits(Policy::Questions { questions: full(question), state: u64::MAX });
    assert!(len > limits::FRAME / 2, "{len}: there could be more at a time");
    let answer = policy::Remembered {
        id: u32::MAX,
        since: u64::MAX,
        pid: u32::MAX,
        name: longest(),
        action: Action::Remove,
        names: full(longest()),
        script: Some(longest()),
        exe: Some(longest()),
        left_s: Some(u32::MAX),
    };
    let len = fits(Policy::Answers { answers: full(answer), more: true });
    assert!(len > limits::FRAME / 2, "{len}: the page could be larger");
}

#[test]
fn the_longest_rule_with_its_password_and_the_longest_token() {
    let password = [b'x'; limits::PASSWORD];
    let request = policy::Request::Allow {
        password: Bytes::new(&password).unwrap(),
        rule: Box::new(policy::NewRule {
            id: Some(longest()),
            decision: Decision::Allow,
            secrets: full(Glob::parse(&"x".repeat(limits::GLOB)).unwrap()),
            actions: full(Action::Remove),
            whom: policy::Whom::Script { script: longest(), exe: Some(longest()) },
            unit: Some(unit()),
            rate: Some(rate()),
            expires: Some(u64::MAX),
        }),
        shown: Some(policy::Shown { exe: Some(pinned()), script: Some(pinned()) }),
    };
    let token = session::Request::Token { token: Bytes::new(&[0xff; limits::TOKEN]).unwrap() };
    for body in [Body::Policy(request), Body::Session(token)] {
        let mut buffer = vec![0; HEADER_LEN + limits::FRAME];
        let len = encode(&Request { id: u32::MAX, body }, &mut buffer).expect("it fits a frame");
        decode::<Request<'_>>(&buffer[HEADER_LEN..len]).unwrap();
    }
}

#[test]
fn the_most_values_that_are_asked_for_at_once() {
    let wanted = secrets::Wanted {
        name: Name::parse("x".repeat(limits::NAME)).unwrap(),
        field: Some(Field::parse("x".repeat(limits::FIELD)).unwrap()),
    };
    let mut buffer = vec![0; HEADER_LEN + limits::FRAME];
    let body = Body::Secrets(secrets::Request::GetMany { items: full(wanted) });
    let len = encode(&Request { id: u32::MAX, body }, &mut buffer).expect("it fits a frame");
    decode::<Request<'_>>(&buffer[HEADER_LEN..len]).unwrap();

    // As many bytes as may travel together, in one value and in all of them.
    let bytes = [7; limits::CHUNK];
    for first in [0, limits::CHUNK / limits::MANY, limits::CHUNK] {
        let others = (limits::CHUNK - first) / (limits::MANY - 1);
        let here = |len| secrets::Found::Here {
            version: u64::MAX,
            expires: Some(u64::MAX),
            value: Bytes::new(&bytes[..len]).unwrap(),
        };
        let found = (0..limits::MANY).map(|i| here(if i == 0 { first } else { others })).collect();
        let values = Answer::Secrets(secrets::Answer::Values(List::new(found).unwrap()));
        let reply = Reply { id: u32::MAX, outcome: Outcome::Ok(values) };
        let len = encode(&reply, &mut buffer).expect("it fits a frame");
        decode::<Reply<'_>>(&buffer[HEADER_LEN..len]).unwrap();
    }
}
