//! What no schema has a place for, named as in the record: in each it stands among the fields of one's own.

use serde::Serialize;

use crate::{Claims, Hex, Judged, Key, Log, Record, Vault};

/// Those members of a record.
#[derive(Serialize)]
pub(super) struct Own<'a> {
    boot_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exe: Option<Inode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    judged: Option<&'a Judged<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<&'a Claims<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'a Log>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault: Option<Vault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<Hex<32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<Hex<16>>,
}

/// Which file was executed: its path has a place.
#[derive(Serialize)]
struct Inode {
    dev: u64,
    ino: u64,
}

impl<'a> Own<'a> {
    pub(super) fn of(record: &'a Record<'_>) -> Self {
        let peer = record.peer.as_ref();
        let exe = peer.and_then(|peer| peer.kernel.exe.as_ref());
        Self {
            boot_ms: record.boot_ms,
            to: record.to.as_deref(),
            exe: exe.map(|exe| Inode { dev: exe.dev, ino: exe.ino }),
            judged: record.judged.as_ref(),
            claims: peer.and_then(|peer| peer.claims.as_ref()),
            log: record.log.as_ref(),
            key: record.key.as_ref(),
            cut: record.cut,
            vault: record.vault,
            prev: record.prev,
            mac: record.mac,
        }
    }
}
