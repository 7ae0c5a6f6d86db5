//! The objects of OCSF that an event is made of, with the attributes that a record can fill.

use serde::Serialize;

use crate::export::own::Own;
use crate::export::word;
use crate::{Exe, Judged, Peer, Record};

#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) version: &'static str,
    pub(super) product: Product,
    pub(super) profiles: [&'static str; 2],
    pub(super) uid: String,
    pub(super) sequence: u64,
    pub(super) log_name: &'static str,
    pub(super) log_provider: &'static str,
    pub(super) original_time: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) correlation_uid: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Product {
    pub(super) name: &'static str,
    pub(super) vendor_name: &'static str,
}

/// Whatever has a name and a kind.
#[derive(Serialize)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

/// Whatever has a name.
#[derive(Serialize)]
pub(super) struct Called<'a> {
    pub(super) name: &'a str,
}

#[derive(Serialize)]
pub(super) struct Device<'a> {
    pub(super) hostname: &'a str,
    pub(super) type_id: u8,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

#[derive(Serialize)]
pub(super) struct Endpoint<'a> {
    pub(super) hostname: &'a str,
}

#[derive(Serialize)]
pub(super) struct Api {
    pub(super) operation: &'static str,
    pub(super) service: Called<'static>,
}

#[derive(Serialize)]
pub(super) struct Authorization<'a> {
    pub(super) decision: &'static str,
    pub(super) policy: Called<'a>,
}

/// An entity that is managed, with the schema's own words for its kind.
#[derive(Serialize)]
pub(super) struct Entity<'a> {
    pub(super) name: &'a str,
    pub(super) type_id: u8,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

#[derive(Serialize)]
pub(super) struct Finding {
    pub(super) uid: String,
    pub(super) title: &'static str,
    pub(super) types: [&'static str; 1],
    pub(super) created_time: i64,
}

#[derive(Serialize)]
pub(super) struct Evidence<'a> {
    pub(super) actor: Actor<'a>,
}

#[derive(Clone, Serialize)]
pub(super) struct Session {
    pub(super) uid: String,
}

#[derive(Clone, Serialize)]
pub(super) struct User {
    pub(super) uid: String,
}

#[derive(Clone, Serialize)]
pub(super) struct Actor<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Process<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Session>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_name: Option<&'static str>,
}

#[derive(Clone, Serialize)]
struct Process<'a> {
    pid: i32,
    user: User,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ancestry: Option<[Ancestor<'a>; 1]>,
}

#[derive(Clone, Serialize)]
struct File<'a> {
    name: &'a str,
    path: &'a str,
    type_id: u8,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Clone, Serialize)]
struct Ancestor<'a> {
    pid: i32,
    name: &'a str,
}

impl Session {
    pub(super) fn of(record: &Record<'_>) -> Option<Self> {
        record.session.map(|session| Self { uid: session.to_string() })
    }
}

impl User {
    pub(super) fn of(uid: u32) -> Self {
        Self { uid: uid.to_string() }
    }
}

impl<'a> Actor<'a> {
    /// Who asked; the daemon itself where nobody did.
    pub(super) fn of(record: &'a Record<'_>) -> Self {
        let process = record.peer.as_ref().and_then(|peer| Process::of(peer, record.judged.as_ref()));
        Self {
            process,
            user: record.peer.as_ref().map(|peer| User::of(peer.kernel.uid)),
            session: Session::of(record),
            app_name: record.peer.is_none().then_some(super::DAEMON),
        }
    }
}

impl<'a> Process<'a> {
    fn of(peer: &'a Peer<'_>, judged: Option<&'a Judged<'_>>) -> Option<Self> {
        let exe = peer.kernel.exe.as_ref();
        Some(Self {
            pid: peer.kernel.pid?,
            user: User::of(peer.kernel.uid),
            name: exe.map(Exe::name),
            file: exe.map(|exe| File { name: exe.name(), path: &exe.path, type_id: 1, kind: "Regular File" }),
            // A peer that was judged by its script is no ancestor of its own.
            ancestry: judged
                .filter(|judged| Some(judged.pid) != peer.kernel.pid)
                .map(|judged| [Ancestor { pid: judged.pid, name: &judged.name }]),
        })
    }
}

/// What the schema has no place for, as it stands in the record.
#[derive(Serialize)]
pub(super) struct Unmapped<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    #[serde(flatten)]
    others: Own<'a>,
}

impl<'a> Unmapped<'a> {
    pub(super) fn of(record: &'a Record<'_>) -> Self {
        let gid = record.peer.as_ref().and_then(|peer| peer.kernel.gid);
        Self { event: word(record.event), gid, others: Own::of(record) }
    }
}
