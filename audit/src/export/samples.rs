//! Records of every kind, for the tests of the formats.

use crate::{Claims, Event, Exe, Hex, Judged, Kernel, Key, Linked, Log, Outcome, Peer, Record, Vault};

pub(super) const OUTCOMES: [Outcome; 3] = [Outcome::Allowed, Outcome::Denied, Outcome::Failed];

/// All events: as the parser of lines names them when it is given another word.
pub(super) fn events() -> Vec<Event> {
    let refused = serde_json::from_str::<Event>("\"\"").unwrap_err().to_string();
    let words = refused.split('`').skip(1).step_by(2);
    let word = |word: &str| serde_json::from_str(&format!("{word:?}"));
    words.filter(|word| !word.is_empty()).map(|text| word(text).unwrap()).collect()
}

/// Every event with every outcome, each with all members and with none but the necessary ones.
pub(super) fn records() -> Vec<Record<'static>> {
    let each =
        |event| OUTCOMES.into_iter().flat_map(move |outcome| [sparse(event, outcome), full(event, outcome)]);
    events().into_iter().flat_map(each).collect()
}

fn sparse(event: Event, outcome: Outcome) -> Record<'static> {
    Record { seq: 1, time: TIME.into(), ..Record::new(event, outcome) }
}

/// 2026-11-22 00:24:50.123 UTC.
pub(super) const TIME: &str = "2026-11-22T00:24:50.123Z";
pub(super) const MILLIS: i64 = 1_795_307_090_123;

pub(super) fn full(event: Event, outcome: Outcome) -> Record<'static> {
    let hostile = "a|b=c\\d\n\"e\"\r\u{1b}[2J\u{202e}\u{9b}ключ";
    Record {
        seq: 7,
        time: TIME.into(),
        boot_ms: 12_345,
        session: Some(5),
        secret: Some(hostile.into()),
        to: (event == Event::Move).then(|| hostile.into()),
        by: Some("rule:3".into()),
        repeated: 4,
        judged: Some(Judged { pid: 9, name: "make".into(), script: Some(hostile.into()) }),
        log: Some(Log { format: 1, id: Hex([1; 16]), auditor: Some(Hex([2; 32])), after: None }),
        key: Some(Key { auditor: Hex([2; 32]), sealed: Hex([3; 80]), linked: Some(Linked::Running) }),
        cut: Some(3),
        vault: Some(Vault { id: Hex([6; 16]), changes: 8, state: Hex([7; 16]), key: Some(Hex([8; 16])) }),
        peer: Some(Peer {
            kernel: Kernel {
                pid: Some(1234),
                uid: 1000,
                gid: Some(1001),
                exe: Some(Exe { path: "/usr/bin/ctl".into(), dev: 4, ino: 5 }),
            },
            claims: Some(Claims { client: hostile.into(), version: "0.1.0".into() }),
        }),
        prev: Some(Hex([4; 32])),
        mac: Some(Hex([5; 16])),
        ..Record::new(event, outcome)
    }
}
