//! What is said about the vault itself: its key slots, and its file.

use glassdome_proto::settings::{self, RecoveryChange, Slot, SlotKind};
use glassdome_proto::storage::{self, DeviceKey, Mode};
use glassdome_proto::{Answer, Body, session};

use super::{PASSWORD, RECOVERY_CODE, SHORT, THEN, bytes, list, text};

/// Requests, with what is special about each.
pub fn requests() -> [(&'static str, Body<'static>); 12] {
    let recovery =
        |change| Body::Settings(settings::Request::SetRecovery { password: bytes(PASSWORD), change });
    let code = || bytes(RECOVERY_CODE);
    let older = session::Request::AcceptRollback { password: bytes(PASSWORD), lifetime: SHORT };
    let migrate = |to, new: Option<session::Password<'static>>| {
        let password = if new.is_some() { bytes(RECOVERY_CODE) } else { bytes(PASSWORD) };
        Body::Storage(storage::Request::Migrate {
            password,
            to,
            new,
            accept_weak: false,
            without_recovery: true,
        })
    };
    [
        ("", Body::Settings(settings::Request::Slots)),
        ("added", recovery(RecoveryChange::Add(code()))),
        ("replaced", recovery(RecoveryChange::Replace(code()))),
        ("removed", recovery(RecoveryChange::Remove)),
        ("", Body::Storage(storage::Request::Status)),
        ("", Body::Storage(storage::Request::Backup { part: 300 })),
        ("", Body::Storage(storage::Request::Kept)),
        ("", Body::Session(older)),
        ("", Body::Storage(storage::Request::Device)),
        ("to the keyring", migrate(Mode::Keyring, None)),
        ("to the file, by the recovery code", migrate(Mode::File, Some(bytes(PASSWORD)))),
        ("", Body::Storage(storage::Request::Tidy { password: bytes(PASSWORD) })),
    ]
}

/// Replies.
pub fn replies() -> [Answer<'static>; 10] {
    let slot = |id, kind| Slot { id, kind, m_kib: 256 * 1024, t: 3, p: 2 };
    let slots = vec![slot(0, SlotKind::Password), slot(1, SlotKind::Recovery)];
    [
        Answer::Settings(settings::Answer::Slots(list(slots))),
        Answer::Settings(settings::Answer::RecoverySet),
        Answer::Storage(storage::Answer::Status {
            path: text("/home/ann/.local/share/glassdome/vault"),
            bytes: 1 << 20,
            secrets: 302,
            created: THEN,
            backup: Some(THEN + 60),
            former: 300,
            tested: Some(storage::LastTest { at: THEN + 90, faults: 2, log_sound: true }),
            damaged: true,
        }),
        Answer::Storage(storage::Answer::Backup { data: bytes(b"GLDMBAK1"), more: true }),
        Answer::Storage(storage::Answer::Kept),
        Answer::Settings(settings::Answer::Slots(list(vec![slot(0, SlotKind::BoundPassword)]))),
        Answer::Storage(storage::Answer::Device { key: DeviceKey::There, spare: Some(300) }),
        Answer::Storage(storage::Answer::Device {
            key: DeviceKey::Unreachable(session::Keyring::NoKeyring),
            spare: None,
        }),
        Answer::Storage(storage::Answer::Migrated { changed: true, left: false }),
        Answer::Storage(storage::Answer::Tidied { removed: 1, left: 2 }),
    ]
}

/// The test of it: the requests, with what is special about each.
pub fn test_requests() -> [(&'static str, Body<'static>); 2] {
    let test = storage::Request::Test { proof: Some(bytes(PASSWORD)) };
    [("with the password", Body::Storage(test)), ("", Body::Storage(storage::Request::TestOn))]
}

/// How far it is, and what came of it.
pub fn tested() -> [Answer<'static>; 2] {
    let fault = storage::Fault {
        table: Some(text("values")),
        name: Some(text("db")),
        version: Some(2),
        kind: storage::FaultKind::Sealed,
    };
    let log = storage::LogFault {
        word: text("edited"),
        file: Some(text("/home/ann/.local/state/glassdome/audit.jsonl")),
        line: Some(300),
        record: Some(301),
    };
    let told = list(vec![fault]);
    let tested = storage::Tested { rows: 302, faults: 1, told, records: 300, log: Some(log) };
    let testing = storage::Answer::Testing { stage: storage::TestStage::Rows, done: 300, total: 302 };
    [Answer::Storage(testing), Answer::Storage(storage::Answer::Tested(tested))]
}
