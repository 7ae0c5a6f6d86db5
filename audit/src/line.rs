//! A record as a line of text, and back.

use std::time::Duration;

use jiff::Timestamp;

use crate::{Peer, Record};

/// Why a line is no record.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Not JSON, or not a record.
    #[error("not a record of the audit log")]
    Malformed(#[source] serde_json::Error),
    /// Its seal is not the last of it.
    #[error("not a record of the audit log: its seal stands elsewhere than at its end")]
    Misplaced,
}

/// Appends `record` and a newline to `line`.
///
/// # Errors
/// None in practice: a record has no map with keys that JSON could not hold.
pub fn write(record: &Record<'_>, line: &mut Vec<u8>) -> Result<(), LineError> {
    serde_json::to_writer(&mut *line, record).map_err(LineError::Malformed)?;
    line.push(b'\n');
    Ok(())
}

/// A peer as it stands in a line: written once, for all of its records.
#[derive(Debug, Clone)]
pub struct WrittenPeer(Vec<u8>);

impl WrittenPeer {
    /// Writes it.
    ///
    /// # Errors
    /// None in practice, as [`write()`].
    pub fn of(peer: &Peer<'_>) -> Result<Self, LineError> {
        serde_json::to_vec(peer).map(Self).map_err(LineError::Malformed)
    }
}

/// Appends `record` without the `}` that ends it; with `peer`, that one in the place of its own.
pub(crate) fn write_open(
    record: Record<'_>,
    peer: Option<&WrittenPeer>,
    line: &mut Vec<u8>,
) -> Result<(), LineError> {
    let own = if peer.is_some() { None } else { record.peer };
    serde_json::to_writer(&mut *line, &Record { peer: own, ..record }).map_err(LineError::Malformed)?;
    line.pop();
    if let Some(peer) = peer {
        line.extend_from_slice(b",\"peer\":");
        line.extend_from_slice(&peer.0);
    }
    Ok(())
}

/// Reads one line, with or without its newline.
///
/// # Errors
/// [`LineError::Malformed`] when it is anything but a record.
pub fn read(line: &str) -> Result<Record<'_>, LineError> {
    serde_json::from_str(line.trim_end_matches('\n')).map_err(LineError::Malformed)
}

/// Writes the wall clock (time since the epoch) as RFC 3339 with milliseconds, UTC.
pub fn time(wall: Duration) -> String {
    let millis = i64::try_from(wall.as_millis()).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Claims, Event, Exe, Hex, Judged, Kernel, Log, Outcome, Peer, Vault};

    #[test]
    fn a_record_is_one_line_and_comes_back() {
        let record = Record {
            seq: 7,
            time: time(Duration::from_millis(1_795_307_090_123)).into(),
            boot_ms: 12,
            event: Event::ChangePassword,
            outcome: Outcome::Denied,
            session: Some(5),
            secret: Some("a\n\"b\"\u{1b}/ключ".into()),
            to: Some("b\u{1b}".into()),
            by: Some("locked".into()),
            repeated: 0,
            judged: Some(Judged { pid: 9, name: "make".into(), script: Some("/a b\u{1b}".into()) }),
            log: Some(Log { format: 1, id: Hex([1; 16]), auditor: None, after: None }),
            key: None,
            cut: Some(3),
            vault: Some(Vault { id: Hex([2; 16]), changes: 8, state: Hex([4; 16]), key: Some(Hex([5; 16])) }),
            peer: Some(Peer {
                kernel: Kernel {
                    pid: Some(1),
                    uid: 2,
                    gid: Some(3),
                    exe: Some(Exe { path: "/usr/bin/ctl".into(), dev: 4, ino: 5 }),
                },
                claims: Some(Claims { client: "ctl".into(), version: "0.1.0".into() }),
            }),
            prev: None,
            mac: None,
        };
        let mut line = Vec::new();
        write(&record, &mut line).unwrap();
        assert_eq!(line.iter().filter(|b| b.is_ascii_control()).count(), 1, "only the newline");
        let text = std::str::from_utf8(&line).unwrap();
        assert!(text.contains(r#""time":"2026-11-22T"#), "{text}");
        assert!(text.contains(r#""event":"change-password""#));
        assert!(!text.contains("repeated"));
        assert_eq!(read(text).unwrap(), record);
        let peer = WrittenPeer::of(record.peer.as_ref().unwrap()).unwrap();
        let mut by = b"before".to_vec();
        write_open(record, Some(&peer), &mut by).unwrap();
        by.extend_from_slice(b"}\n");
        assert_eq!(by, [b"before", line.as_slice()].concat(), "the same, its peer written beforehand");
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for line in ["", "{}", "[]", "{\"seq\":1", "null"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
