//! Replies.

use glassdome_proto::{Answer, Chunk, Code, Outcome, Refusal};
use glassdome_proto::{policy, secrets, session, settings, storage};

use super::{
    bytes, crypto, leftovers, moving, policy_replies, rotation, secrets_replies, session_replies,
    settings_replies, vault,
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

/// Every reply, with what is special about this one. Their places are those of the golden frames: another one of a
/// family that is through stands at the end.
pub fn replies() -> Vec<(&'static str, Outcome<'static>)> {
    let slow = Refusal { retry_after_ms: Some(2000), ..Refusal::new(Code::Throttled, "wait 2 s") };
    let no_answers = vec![
        ("", Outcome::Ok(Answer::More(Chunk { data: bytes(b"the rest") }))),
        ("locked", Outcome::Err(Refusal::new(Code::Locked, "locked: you locked it"))),
        ("for now", Outcome::Err(slow)),
    ];
    let asked = [("", Outcome::Asked { question: 3, left_ms: 60_000 })];
    let told = |answers: Vec<(&'static str, Answer<'static>)>| {
        answers.into_iter().map(|(detail, answer)| (detail, Outcome::Ok(answer)))
    };
    let plain = |answers: Vec<Answer<'static>>| {
        answers.into_iter().map(|answer| ("", Outcome::Ok(answer))).collect::<Vec<_>>()
    };
    let session = |answers: Vec<(&'static str, session::Answer<'static>)>| {
        told(answers.into_iter().map(|(detail, answer)| (detail, Answer::Session(answer))).collect())
    };
    let policy = |answers: Vec<(&'static str, policy::Answer<'static>)>| {
        told(answers.into_iter().map(|(detail, answer)| (detail, Answer::Policy(answer))).collect())
    };
    session(session_replies::one_by_one())
        .chain(told(secrets_replies::one_by_one()))
        .chain(told(settings_replies::settings()))
        .chain(no_answers)
        .chain(session(vec![("", session::Answer::TokenTaken)]))
        .chain(policy(policy_replies::rules_and_questions()))
        .chain(plain(vec![Answer::Secrets(secrets_replies::many())]))
        .chain(policy(policy_replies::handles()))
        .chain(asked)
        .chain(session(vec![("", session::Answer::Panicked)]))
        .chain(policy(policy_replies::handles_of_scripts()))
        .chain(policy(policy_replies::edited()))
        .chain(session(session_replies::pins()))
        .chain(policy(policy_replies::bound_handles()))
        .chain(session(session_replies::desktops()))
        .chain(session(leftovers::replies().into()))
        .chain(told(settings_replies::logs()))
        .chain(session(session_replies::alarmed()))
        .chain(plain(vault::replies().into_iter().collect()))
        .chain(plain(crypto::replies().into_iter().collect()))
        .chain(plain(moving::replies().into_iter().collect()))
        .chain(plain(rotation::replies().into_iter().collect()))
        .chain(plain(vault::tested().into_iter().collect()))
        .chain(session(session_replies::kept()))
        .collect()
}
