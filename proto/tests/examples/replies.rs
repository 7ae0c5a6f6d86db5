//! Replies.

use glassdome_proto::secrets::{self, Change, Entry, FieldInfo, Info, Stored, Version};
use glassdome_proto::session::{
    self, Keyring, Level, LockReason, Memory, Protection, State, Status, VaultState,
};
use glassdome_proto::settings::{self, Setting};
use glassdome_proto::{Answer, Chunk, Code, Outcome, Refusal};

use super::{CURSOR, THEN, bytes, field, list, name, text};

/// Every kind of reply.
pub const REPLIES: [&str; 18] = [
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
];

pub fn reply_name(outcome: &Outcome) -> &'static str {
    use secrets::Answer as Secrets;
    use session::Answer as Session;
    let answer = match outcome {
        Outcome::Ok(answer) => answer,
        Outcome::Err(_) => return "refused",
    };
    match answer {
        Answer::Session(Session::Status(_)) => "status",
        Answer::Session(Session::Doctor(_)) => "doctor",
        Answer::Session(Session::Unlocked { .. }) => "unlocked",
        Answer::Session(Session::Locked) => "locked",
        Answer::Session(Session::Stopping) => "stopping",
        Answer::Session(Session::PasswordChanged) => "password-changed",
        Answer::Secrets(Secrets::Value { .. }) => "value",
        Answer::Secrets(Secrets::Page { .. }) => "page",
        Answer::Secrets(Secrets::Info(_)) => "info",
        Answer::Secrets(Secrets::Stored { .. }) => "stored",
        Answer::Secrets(Secrets::StoredMany(_)) => "stored-many",
        Answer::Secrets(Secrets::Removed) => "removed",
        Answer::Secrets(Secrets::Moved) => "moved",
        Answer::Secrets(Secrets::History(_)) => "history",
        Answer::Settings(settings::Answer::All(_)) => "settings-all",
        Answer::Settings(settings::Answer::Set(_)) => "settings-set",
        Answer::More(_) => "more",
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
    all
}

fn session_answers() -> Vec<(&'static str, Answer<'static>)> {
    use session::Answer as Session;
    let status = |state, last_lock, memory, vault| {
        Session::Status(Status {
            state,
            last_lock,
            pid: 4711,
            version: text("0.1.0"),
            memory,
            vault,
            keyring: Keyring::Unwatched,
        })
    };
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
        version(4, Some(40), Change::Restored, true),
        version(3, None, Change::Removed, false),
        version(2, Some(40), Change::Moved, false),
        version(1, Some(40), Change::Set, false),
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
