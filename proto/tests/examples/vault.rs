//! What is said about the vault itself: its key slots, and its file.

use glassdome_proto::settings::{self, RecoveryChange, Slot, SlotKind};
use glassdome_proto::{Answer, Body, session, storage};

use super::{PASSWORD, RECOVERY_CODE, SHORT, THEN, bytes, list, text};

/// Requests, with what is special about each.
pub fn requests() -> [(&'static str, Body<'static>); 8] {
    let recovery =
        |change| Body::Settings(settings::Request::SetRecovery { password: bytes(PASSWORD), change });
    let code = || bytes(RECOVERY_CODE);
    let older = session::Request::AcceptRollback { password: bytes(PASSWORD), lifetime: SHORT };
    [
        ("", Body::Settings(settings::Request::Slots)),
        ("added", recovery(RecoveryChange::Add(code()))),
        ("replaced", recovery(RecoveryChange::Replace(code()))),
        ("removed", recovery(RecoveryChange::Remove)),
        ("", Body::Storage(storage::Request::Status)),
        ("", Body::Storage(storage::Request::Backup { part: 300 })),
        ("", Body::Storage(storage::Request::Kept)),
        ("", Body::Session(older)),
    ]
}

/// Replies.
pub fn replies() -> [Answer<'static>; 5] {
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
        }),
        Answer::Storage(storage::Answer::Backup { data: bytes(b"GLDMBAK1"), more: true }),
        Answer::Storage(storage::Answer::Kept),
    ]
}
