//! What the protocol refuses, and with which error. Each limit stands beside the largest thing that
//! is still let through, so that a test which refuses everything cannot pass.
#![allow(clippy::unwrap_used)]

mod vectors;

use std::collections::BTreeMap;

use glassdome_proto::{
    Challenge, DecodeError, Field, FrameError, Hello, Name, NameError, Reply, Request, decode, payload_len,
};
use serde::Deserialize;

/// What became of the bytes, in the word that the vectors use.
fn outcome(kind: &str, bytes: &[u8]) -> String {
    match kind {
        "header" => match payload_len(bytes.try_into().unwrap()) {
            Ok(len) => len.to_string(),
            Err(FrameError::TooLong { .. }) => "too-long".to_owned(),
            Err(FrameError::Empty) => "empty".to_owned(),
        },
        "challenge" => decoded::<Challenge>(bytes),
        "hello" => decoded::<Hello>(bytes),
        "request" => decoded::<Request>(bytes),
        "reply" => decoded::<Reply>(bytes),
        "name" => named(Name::parse(str::from_utf8(bytes).unwrap()).err()),
        "field" => named(Field::parse(str::from_utf8(bytes).unwrap()).err()),
        _ => panic!("no such type: {kind}"),
    }
}

fn decoded<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> String {
    match decode::<T>(payload) {
        Ok(_) => "ok".to_owned(),
        Err(DecodeError::Malformed) => "malformed".to_owned(),
        Err(DecodeError::Trailing(bytes)) => format!("trailing {bytes}"),
    }
}

fn named(error: Option<NameError>) -> String {
    let word = match error {
        None => "ok",
        Some(NameError::Empty) => "empty",
        Some(NameError::TooLong { .. }) => "too-long",
        Some(NameError::Control) => "control",
        Some(NameError::NotNormal) => "not-normal",
        Some(NameError::EmptySegment) => "empty-segment",
    };
    word.to_owned()
}

#[test]
fn each_vector_has_its_outcome() {
    let mut seen = BTreeMap::<String, (u32, u32)>::new();
    for vector in vectors::read("refused") {
        let [kind, what, expected] = vector.about.as_slice() else {
            panic!("four columns: {:?}", vector.about)
        };
        let got = outcome(kind, &vector.bytes);
        assert_eq!(&got, expected, "{kind}: {what}");
        let (taken, refused) = seen.entry(kind.clone()).or_default();
        let good = got == "ok" || got.parse::<u32>().is_ok();
        *if good { taken } else { refused } += 1;
    }
    let kinds = ["challenge", "field", "header", "hello", "name", "reply", "request"];
    assert_eq!(seen.keys().collect::<Vec<_>>(), kinds);
    assert!(seen.values().all(|(taken, refused)| *taken > 0 && *refused > 0), "{seen:?}");
}

/// No prefix of a message is a message, whatever it is cut out of.
#[test]
fn what_is_cut_short_is_refused() {
    for vector in vectors::read("refused").iter().filter(|vector| vector.about[2] == "ok") {
        let kind = vector.about[0].as_str();
        if matches!(kind, "name" | "field") {
            continue;
        }
        for len in 0..vector.bytes.len().min(600) {
            assert_eq!(outcome(kind, &vector.bytes[..len]), "malformed", "{:?} cut at {len}", vector.about);
        }
    }
}
