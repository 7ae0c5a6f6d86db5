//! Golden frames: what each message looks like on the wire, byte for byte, as it was first
//! released. A change that renumbers, reorders or retypes anything fails here.
//!
//! After *adding* a message, `GOLDEN=write cargo test -p glassdome-proto --test golden` writes the
//! files anew; the diff must then hold new lines only.
#![allow(clippy::unwrap_used)]

mod examples;
mod vectors;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;

use glassdome_proto::pin::PinState;
use glassdome_proto::session::{Audit, Keyring, Level, LockReason, Logind, Memory, Screen, VaultState};
use glassdome_proto::{
    Challenge, Code, HEADER_LEN, Hello, Reply, Request, decode, encode, limits, payload_len,
};
use glassdome_proto::{policy, secrets, session, storage};
use serde::{Deserialize, Serialize};

/// A message by name, and its frame.
type Frame = (String, Vec<u8>);

fn frame<T: Serialize>(message: &T) -> Vec<u8> {
    let mut buffer = vec![0; HEADER_LEN + limits::FRAME];
    let len = encode(message, &mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

/// Compares what the code makes today with the file, and the file with what the code reads.
fn hold(name: &str, frames: &[Frame], reread: impl Fn(&str, &[u8]) -> Vec<u8>) {
    if std::env::var_os("GOLDEN").is_some_and(|word| word == "write") {
        let lines = frames.iter().map(|(label, frame)| format!("{label} | {}\n", vectors::hex(frame)));
        let text = "# message | header and payload of its frame\n".to_owned() + &lines.collect::<String>();
        fs::write(vectors::path(name), text).unwrap();
    }
    let golden = vectors::read(name);
    let labels: Vec<&str> = golden.iter().map(|vector| vector.about[0].as_str()).collect();
    assert_eq!(labels, frames.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>(), "{name}");
    for (vector, (label, frame)) in golden.iter().zip(frames) {
        assert_eq!(vectors::hex(frame), vectors::hex(&vector.bytes), "{label} is written otherwise");
        let payload = payload_of(&vector.bytes);
        assert_eq!(reread(label, payload), vector.bytes, "{label} does not come back byte for byte");
    }
}

fn payload_of(frame: &[u8]) -> &[u8] {
    let (header, payload) = frame.split_first_chunk::<HEADER_LEN>().unwrap();
    assert_eq!(payload_len(*header), Ok(payload.len()));
    payload
}

fn again<'a, T: Serialize + Deserialize<'a>>(payload: &'a [u8]) -> Vec<u8> {
    frame(&decode::<T>(payload).unwrap())
}

#[test]
fn handshake() {
    let frames = [
        ("challenge".to_owned(), frame(&examples::challenge())),
        ("hello".to_owned(), frame(&examples::hello())),
    ];
    hold("handshake", &frames, |label, payload| match label {
        "challenge" => again::<Challenge>(payload),
        _ => again::<Hello>(payload),
    });
}

#[test]
fn requests() {
    let frames: Vec<Frame> = examples::requests()
        .into_iter()
        .enumerate()
        .map(|(id, (detail, body))| {
            let label = format!("{} {detail}", examples::request_name(&body));
            (label.trim_end().to_owned(), frame(&Request { id: id as u32, body }))
        })
        .collect();
    hold("requests", &frames, |label, payload| {
        let request: Request = decode(payload).unwrap();
        assert_eq!(label.split(' ').next(), Some(examples::request_name(&request.body)));
        frame(&request)
    });
}

#[test]
fn replies() {
    let frames: Vec<Frame> = examples::replies()
        .into_iter()
        .enumerate()
        .map(|(id, (detail, outcome))| {
            let label = format!("{} {detail}", examples::reply_name(&outcome));
            // Ids of two bytes on the wire, where requests have one.
            (label.trim_end().to_owned(), frame(&Reply { id: 1000 + id as u32, outcome }))
        })
        .collect();
    hold("replies", &frames, |label, payload| {
        let reply: Reply = decode(payload).unwrap();
        assert_eq!(label.split(' ').next(), Some(examples::reply_name(&reply.outcome)));
        frame(&reply)
    });
}

/// The names above come from matches without a wildcard: who adds a message must name it there,
/// and then finds here that it has no frame yet.
#[test]
fn every_message_has_a_frame() {
    let requests = examples::requests();
    let named: BTreeSet<_> = requests.iter().map(|(_, body)| examples::request_name(body)).collect();
    assert_eq!(named, examples::REQUESTS.into_iter().collect());
    let replies = examples::replies();
    let named: BTreeSet<_> = replies.iter().map(|(_, outcome)| examples::reply_name(outcome)).collect();
    assert_eq!(named, examples::REPLIES.into_iter().collect());
}

/// Plain enums travel as their position.
#[test]
fn numbers_on_the_wire_stay() {
    fn numbered<T: Serialize + for<'a> Deserialize<'a> + PartialEq + Debug>(values: &[T]) {
        for (number, value) in values.iter().enumerate() {
            assert_eq!(payload_of(&frame(value)), [number as u8], "{value:?}");
        }
        assert!(decode::<T>(&[values.len() as u8]).is_err(), "a value that this list lacks");
    }
    numbered(&[
        Code::Error,
        Code::Usage,
        Code::Locked,
        Code::Denied,
        Code::NotFound,
        Code::WrongPassword,
        Code::Throttled,
        Code::Conflict,
        Code::Corrupt,
        Code::Protocol,
        Code::Storage,
        Code::WeakPassword,
        Code::NoVault,
        Code::Paused,
    ]);
    numbered(&[
        LockReason::Requested,
        LockReason::Expired,
        LockReason::Idle,
        LockReason::KeyringLocked,
        LockReason::ScreenLocked,
        LockReason::Suspend,
        LockReason::Logout,
        LockReason::Canary,
        LockReason::Shutdown,
        LockReason::Unlogged,
        LockReason::Panic,
    ]);
    numbered(&[Memory::None, Memory::Locked, Memory::Secret]);
    numbered(&[VaultState::Absent, VaultState::Present, VaultState::Damaged]);
    numbered(&[
        Keyring::Unwatched,
        Keyring::NoBus,
        Keyring::NoKeyring,
        Keyring::NoCollection,
        Keyring::Silent,
        Keyring::Locked,
        Keyring::Unlocked,
    ]);
    numbered(&[
        Logind::Unwatched,
        Logind::NoBus,
        Logind::NoLogind,
        Logind::Silent,
        Logind::Undelayed,
        Logind::Watched,
    ]);
    numbered(&[Screen::Unwatched, Screen::Unseen, Screen::Open, Screen::Locked]);
    numbered(&[Audit::Unmet, Audit::Chained, Audit::Sealed, Audit::Alarm]);
    numbered(&[Level::On, Level::Degraded, Level::Off]);
    numbered(&[PinState::Unknown, PinState::Unset, PinState::Set, PinState::Spent]);
    numbered(&[
        secrets::Stored::Created,
        secrets::Stored::Replaced,
        secrets::Stored::Same,
        secrets::Stored::Exists,
    ]);
    numbered(&[
        secrets::Change::Set,
        secrets::Change::Removed,
        secrets::Change::Restored,
        secrets::Change::Moved,
    ]);
    numbered(&[storage::Mode::File, storage::Mode::Keyring]);
    numbered(&policy::Action::ALL);
    numbered(&[policy::Ours::Stamp, policy::Ours::File]);
    // Those that carry something: position, then what they carry.
    assert_eq!(payload_of(&frame(&session::State::Locked)), [0]);
    assert_eq!(payload_of(&frame(&secrets::Expect::Version(300))), [2, 0xac, 0x02]);
}
