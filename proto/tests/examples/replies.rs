//! Replies.

use glassdome_proto::pin::PinState;
use glassdome_proto::policy::{
    self, Action, Change, Checked, Claims, Condition, Decision, Edit, Exe, Explained, Finding, Grant,
    Manager, Ours, Picture, Pinned, Process, Question, Remembered, Rule, Script, Unit,
};
use glassdome_proto::secrets::{self, Change as Step, Entry, FieldInfo, Found, Info, Stored, Version};
use glassdome_proto::session::{
    self, Audit, Keyring, Level, LockReason, Logind, Memory, Protection, Screen, State, Status, VaultState,
};
use glassdome_proto::settings::{self, LogPlace, Setting};
use glassdome_proto::storage;
use glassdome_proto::{Answer, Chunk, Code, Glob, Outcome, Rate, Refusal};

use super::{
    CURSOR, NONCE, THEN, bytes, crypto, field, leftovers, list, moving, name, rotation, text, vault,
};

/// Every kind of reply.
pub const REPLIES: [&str; 67] = [
    "status",
    "doctor",
    "unlocked",
    "locked",
    "stopping",
    "password-changed",
    "value",
    "page",
    "info",
    "stored",
    "stored-many",
    "removed",
    "moved",
    "history",
    "settings-all",
    "settings-set",
    "more",
    "refused",
    "token-taken",
    "picture",
    "rules",
    "draft",
    "allowed",
    "rule-removed",
    "tested",
    "grants",
    "revoked",
    "values",
    "handle",
    "handles",
    "questions",
    "answers",
    "approved",
    "question-refused",
    "asked",
    "panicked",
    "part-taken",
    "edits",
    "edits-sealed",
    "explained",
    "proven",
    "pin-state",
    "pin-set",
    "leftovers",
    "leftover",
    "leftover-removed",
    "auditor-set",
    "log-accepted",
    "audit-head",
    "slots",
    "recovery-set",
    "storage",
    "backup",
    "kept",
    "device",
    "migrated",
    "tidied",
    "encrypt",
    "decrypt",
    "next",
    "rotation",
    "rotation-begun",
    "rotation-done",
    "rotation-finished",
    "exported",
    "storage-testing",
    "storage-tested",
];

pub fn reply_name(outcome: &Outcome) -> &'static str {
    use policy::Answer as Policy;
    use secrets::Answer as Secrets;
    use session::Answer as Session;
    let answer = match outcome {
        Outcome::Ok(answer) => answer,
        Outcome::Err(_) => return "refused",
        Outcome::Asked { .. } => return "asked",
    };
    match answer {
        Answer::Session(Session::Status(_)) => "status",
        Answer::Session(Session::Doctor(_)) => "doctor",
        Answer::Session(Session::Unlocked { .. }) => "unlocked",
        Answer::Session(Session::Locked) => "locked",
        Answer::Session(Session::Stopping) => "stopping",
        Answer::Session(Session::PasswordChanged) => "password-changed",
        Answer::Session(Session::TokenTaken) => "token-taken",
        Answer::Session(Session::Panicked) => "panicked",
        Answer::Session(Session::Proven) => "proven",
        Answer::Session(Session::PinState(_)) => "pin-state",
        Answer::Session(Session::PinSet) => "pin-set",
        Answer::Session(Session::Leftovers(_)) => "leftovers",
        Answer::Session(Session::Leftover { .. }) => "leftover",
        Answer::Session(Session::LeftoverRemoved(_)) => "leftover-removed",
        Answer::Secrets(Secrets::Value { .. }) => "value",
        Answer::Secrets(Secrets::Page { .. }) => "page",
        Answer::Secrets(Secrets::Info(_)) => "info",
        Answer::Secrets(Secrets::Stored { .. }) => "stored",
        Answer::Secrets(Secrets::StoredMany(_)) => "stored-many",
        Answer::Secrets(Secrets::Removed) => "removed",
        Answer::Secrets(Secrets::Moved) => "moved",
        Answer::Secrets(Secrets::History(_)) => "history",
        Answer::Secrets(Secrets::Values(_)) => "values",
        Answer::Secrets(Secrets::Exported { .. }) => "exported",
        Answer::Settings(settings::Answer::All(_)) => "settings-all",
        Answer::Settings(settings::Answer::Set(_)) => "settings-set",
        Answer::Settings(settings::Answer::AuditorSet) => "auditor-set",
        Answer::Settings(settings::Answer::LogAccepted) => "log-accepted",
        Answer::Settings(settings::Answer::AuditHead { .. }) => "audit-head",
        Answer::Settings(settings::Answer::Slots(_)) => "slots",
        Answer::Settings(settings::Answer::RecoverySet) => "recovery-set",
        Answer::Storage(storage::Answer::Status { .. }) => "storage",
        Answer::Storage(storage::Answer::Backup { .. }) => "backup",
        Answer::Storage(storage::Answer::Kept) => "kept",
        Answer::Storage(storage::Answer::Device { .. }) => "device",
        Answer::Storage(storage::Answer::Migrated { .. }) => "migrated",
        Answer::Storage(storage::Answer::Tidied { .. }) => "tidied",
        Answer::Crypto(glassdome_proto::crypto::Answer::Encrypt { .. }) => "encrypt",
        Answer::Crypto(glassdome_proto::crypto::Answer::Decrypt) => "decrypt",
        Answer::Crypto(glassdome_proto::crypto::Answer::Next { .. }) => "next",
        Answer::Rotation(glassdome_proto::rotation::Answer::State { .. }) => "rotation",
        Answer::Rotation(glassdome_proto::rotation::Answer::Begun { .. }) => "rotation-begun",
        Answer::Rotation(glassdome_proto::rotation::Answer::Done(_)) => "rotation-done",
        Answer::Rotation(glassdome_proto::rotation::Answer::Finished { .. }) => "rotation-finished",
        Answer::Storage(storage::Answer::Testing { .. }) => "storage-testing",
        Answer::Storage(storage::Answer::Tested(_)) => "storage-tested",
        Answer::More(_) => "more",
        Answer::Policy(Policy::Picture(_)) => "picture",
        Answer::Policy(Policy::Rules { .. }) => "rules",
        Answer::Policy(Policy::Draft(_)) => "draft",
        Answer::Policy(Policy::Allowed(_)) => "allowed",
        Answer::Policy(Policy::RuleRemoved) => "rule-removed",
        Answer::Policy(Policy::Tested { .. }) => "tested",
        Answer::Policy(Policy::Grants(_)) => "grants",
        Answer::Policy(Policy::Revoked) => "revoked",
        Answer::Policy(Policy::Handle { .. }) => "handle",
        Answer::Policy(Policy::Handles { .. }) => "handles",
        Answer::Policy(Policy::Questions { .. }) => "questions",
        Answer::Policy(Policy::Answers { .. }) => "answers",
        Answer::Policy(Policy::Approved { .. }) => "approved",
        Answer::Policy(Policy::Refused) => "question-refused",
        Answer::Policy(Policy::PartTaken) => "part-taken",
        Answer::Policy(Policy::Edits { .. }) => "edits",
        Answer::Policy(Policy::EditsSealed) => "edits-sealed",
        Answer::Policy(Policy::Explained(_)) => "explained",
    }
}

/// Every reply, with what is special about this one.
pub fn replies() -> Vec<(&'static str, Outcome<'static>)> {
    let answers = session_answers().into_iter().chain(secrets_answers()).chain(settings_answers());
    let mut all: Vec<_> = answers.map(|(detail, answer)| (detail, Outcome::Ok(answer))).collect();
    all.push(("", Outcome::Ok(Answer::More(Chunk { data: bytes(b"the rest") }))));
    all.push(("locked", Outcome::Err(Refusal::new(Code::Locked, "locked: you locked it"))));
    let slow = Refusal { retry_after_ms: Some(2000), ..Refusal::new(Code::Throttled, "wait 2 s") };
    all.push(("for now", Outcome::Err(slow)));
    all.push(("", Outcome::Ok(Answer::Session(session::Answer::TokenTaken))));
    let answers = policy_answers().into_iter();
    all.extend(answers.map(|(detail, answer)| (detail, Outcome::Ok(Answer::Policy(answer)))));
    let here = Found::Here { version: 1, expires: Some(THEN), value: bytes(b"\x00\xff\n") };
    let values = secrets::Answer::Values(list(vec![here, Found::Alone]));
    all.push(("", Outcome::Ok(Answer::Secrets(values))));
    all.push(("", Outcome::Ok(Answer::Policy(policy::Answer::Handle { id: 303, unit: None }))));
    let handle = policy::Handle {
        id: 303,
        pid: 4711,
        name: text("make"),
        by: text("terminal:3"),
        secrets: list(vec![Glob::parse("shop/*").unwrap()]),
        since: THEN,
        ends: Some(THEN + 600),
        script: None,
        unit: None,
    };
    let handles = policy::Answer::Handles { handles: list(vec![handle.clone()]), more: false };
    all.push(("", Outcome::Ok(Answer::Policy(handles))));
    all.push(("", Outcome::Asked { question: 3, left_ms: 60_000 }));
    all.push(("", Outcome::Ok(Answer::Session(session::Answer::Panicked))));
    let script = policy::ScriptCopy { path: text("/home/u/deploy.py"), sha256: NONCE };
    let handle =
        policy::Handle { script: Some(script), unit: Some(text("shop-api.service")), ends: None, ..handle };
    let handles = policy::Answer::Handles { handles: list(vec![handle]), more: true };
    all.push(("of a script", Outcome::Ok(Answer::Policy(handles))));
    all.extend(edited().into_iter().map(|(what, answer)| (what, Outcome::Ok(Answer::Policy(answer)))));
    let pins = [
        ("", session::Answer::Proven),
        ("spent", session::Answer::PinState(PinState::Spent)),
        ("", session::Answer::PinSet),
    ];
    all.extend(pins.map(|(detail, answer)| (detail, Outcome::Ok(Answer::Session(answer)))));
    let bound = policy::Answer::Handle { id: 304, unit: Some(text("shop-api.service")) };
    all.push(("in a unit", Outcome::Ok(Answer::Policy(bound))));
    let keyring = Status {
        keyring: Keyring::Unlocked,
        ..status(State::Locked, Some(LockReason::KeyringLocked), Memory::Secret, VaultState::Present)
    };
    all.push(("of a keyring", Outcome::Ok(Answer::Session(session::Answer::Status(keyring)))));
    let logind = Status {
        logind: Logind::Watched,
        ..status(State::Locked, Some(LockReason::Suspend), Memory::Secret, VaultState::Present)
    };
    all.push(("of logind", Outcome::Ok(Answer::Session(session::Answer::Status(logind)))));
    let paused = State::Paused { expires_at: THEN + 28_800, left_s: 28_800, secrets: 14 };
    let paused =
        Status { screen: Screen::Locked, ..status(paused, None, Memory::Secret, VaultState::Present) };
    all.push(("paused", Outcome::Ok(Answer::Session(session::Answer::Status(paused)))));
    all.extend(leftovers::replies().map(|(detail, answer)| (detail, Outcome::Ok(Answer::Session(answer)))));
    let place = |seq| LogPlace { log: [3; 16], seq, hash: NONCE };
    let logs = [
        ("", settings::Answer::AuditorSet),
        ("", settings::Answer::LogAccepted),
        (
            "",
            settings::Answer::AuditHead {
                anchored: Some(place(300)),
                alarm: None,
                head: place(301),
                accepted: Some(7),
            },
        ),
        (
            "alarmed",
            settings::Answer::AuditHead { anchored: None, alarm: Some(THEN), head: place(2), accepted: None },
        ),
    ];
    all.extend(logs.map(|(detail, answer)| (detail, Outcome::Ok(Answer::Settings(answer)))));
    let alarmed = Status {
        audit: Audit::Alarm,
        ..status(State::Locked, Some(LockReason::Unlogged), Memory::Secret, VaultState::Present)
    };
    all.push(("of an alarm", Outcome::Ok(Answer::Session(session::Answer::Status(alarmed)))));
    all.extend(vault::replies().map(|answer| ("", Outcome::Ok(answer))));
    all.extend(crypto::replies().map(|answer| ("", Outcome::Ok(answer))));
    all.extend(moving::replies().map(|answer| ("", Outcome::Ok(answer))));
    all.extend(rotation::replies().map(|answer| ("", Outcome::Ok(answer))));
    all.extend(vault::tested().map(|answer| ("", Outcome::Ok(answer))));
    all
}

fn status(state: State, last_lock: Option<LockReason>, memory: Memory, vault: VaultState) -> Status<'static> {
    let (keyring, logind, screen) = (Keyring::Unwatched, Logind::Unwatched, Screen::Unwatched);
    let (version, audit) = (text("0.1.0"), Audit::Unmet);
    Status { state, last_lock, pid: 4711, version, memory, vault, keyring, logind, screen, audit }
}

fn session_answers() -> Vec<(&'static str, Answer<'static>)> {
    use session::Answer as Session;
    let status = |state, last_lock, memory, vault| Session::Status(status(state, last_lock, memory, vault));
    let open = State::Unlocked { expires_at: THEN + 28_800, left_s: 28_800, secrets: 14 };
    let protections = vec![
        Protection { what: text("memory"), level: Level::On, why: text("memfd_secret") },
        Protection { what: text("stamp"), level: Level::Degraded, why: text("") },
    ];
    let answers = vec![
        ("locked", status(State::Locked, Some(LockReason::Idle), Memory::Secret, VaultState::Present)),
        ("unlocked", status(open, None, Memory::Locked, VaultState::Damaged)),
        ("without a vault", status(State::Locked, None, Memory::None, VaultState::Absent)),
        ("", Session::Doctor(list(protections))),
        ("", Session::Unlocked { opened: true, expires_at: THEN + 28_800, left_s: 28_800 }),
        ("already", Session::Unlocked { opened: false, expires_at: THEN + 60, left_s: 60 }),
        ("", Session::Locked),
        ("", Session::Stopping),
        ("", Session::PasswordChanged),
    ];
    answers.into_iter().map(|(detail, answer)| (detail, Answer::Session(answer))).collect()
}

fn secrets_answers() -> Vec<(&'static str, Answer<'static>)> {
    use secrets::Answer as Secrets;
    let entry = |text, size, fields| Entry {
        name: name(text),
        version: 2,
        changed: THEN,
        expires: None,
        size,
        fields,
    };
    let info = Info {
        entry: Entry { expires: Some(THEN + 1), ..entry("aws/prod/key", Some(40), 1) },
        created: THEN - 1,
        fields: list(vec![FieldInfo { name: field("user"), size: 4 }]),
        versions: 2,
    };
    let version = |version, size, change, current| Version { version, time: THEN, size, change, current };
    let versions = vec![
        version(4, Some(40), Step::Restored, true),
        version(3, None, Step::Removed, false),
        version(2, Some(40), Step::Moved, false),
        version(1, Some(40), Step::Set, false),
    ];
    let two = vec![entry("a", Some(0), 0), entry("data/ключ", None, 64)];
    let answers = vec![
        ("", Secrets::Value { version: 1, expires: None, total: 3, first: bytes(b"\x00\xff\n") }),
        (
            "of 1 MiB begun",
            Secrets::Value { version: 300, expires: Some(THEN), total: 1 << 20, first: bytes(b"M") },
        ),
        ("", Secrets::Page { entries: list(two), next: Some(CURSOR) }),
        ("empty and last", Secrets::Page { entries: list(vec![]), next: None }),
        ("", Secrets::Info(info)),
        ("", Secrets::Stored { version: 300 }),
        (
            "",
            Secrets::StoredMany(list(vec![Stored::Created, Stored::Replaced, Stored::Same, Stored::Exists])),
        ),
        ("", Secrets::Removed),
        ("", Secrets::Moved),
        ("", Secrets::History(list(versions))),
    ];
    answers.into_iter().map(|(detail, answer)| (detail, Answer::Secrets(answer))).collect()
}

fn settings_answers() -> Vec<(&'static str, Answer<'static>)> {
    let setting = || Setting {
        key: text("idle"),
        value: text("10m"),
        default: false,
        about: text("lock after this long without use"),
    };
    let all = settings::Answer::All(list(vec![setting(), Setting { default: true, ..setting() }]));
    vec![("", Answer::Settings(all)), ("", Answer::Settings(settings::Answer::Set(setting())))]
}

fn policy_answers() -> Vec<(&'static str, policy::Answer<'static>)> {
    use policy::Answer as Policy;
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

fn edited() -> Vec<(&'static str, policy::Answer<'static>)> {
    use policy::Answer as Policy;
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

fn tested(by: Option<&'static str>, findings: Vec<Finding<'static>>) -> policy::Answer<'static> {
    let decision = if by.is_some() { Decision::Allow } else { Decision::Ask };
    policy::Answer::Tested { decision, by: by.map(text), findings: list(findings), more: false }
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
