//! A record of the audit log in words that a person understands: when, what became of it, what it was, who, why.
//!
//! Whoever can write the log can write any words into it: all are escaped. In quotes stands what a program says of
//! itself, and each name that is not plain.

use glassdome_audit::{Event, Exe, Outcome, Record};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::escape::{escaped, name as told, quoted};
use super::style::Style;

/// How a record is shown.
pub(crate) struct Words {
    zone: TimeZone,
    style: Style,
}

impl Words {
    /// In the zone of whoever reads.
    pub(crate) fn new(style: Style) -> Self {
        Self { zone: TimeZone::system(), style }
    }

    /// A row: when, outcome, what, who, why.
    pub(crate) fn row(&self, record: &Record<'_>) -> Vec<String> {
        let (word, paint): (_, fn(Style, &str) -> String) = match (record.event, record.outcome) {
            (Event::Canary | Event::VaultDamaged | Event::Alarm | Event::Rollback, _) => {
                ("ALARM", Style::bad)
            }
            (_, Outcome::Allowed) => ("ok", Style::good),
            (_, Outcome::Denied) => ("denied", Style::bad),
            (_, Outcome::Failed) => ("failed", Style::careful),
        };
        let mut what = what(record);
        if word != "ok" {
            what = paint(self.style, &what);
        }
        let mut why = why(record).unwrap_or_default();
        if record.repeated > 0 {
            let comma = if why.is_empty() { "" } else { ", " };
            why = format!("{why}{comma}and {} more like it before", record.repeated);
        }
        let time = self.style.faint(&self.time(&record.time));
        vec![time, paint(self.style, word), what, who(record), self.style.faint(&why)]
    }

    /// What stands for a line that is no record.
    pub(crate) fn broken(&self, bytes: &[u8]) -> Vec<String> {
        const SHOWN: usize = 40;
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
        let text = self.style.faint(&escaped(&text));
        vec![String::new(), self.style.bad("broken"), self.style.bad("no record: see ctl audit verify"), text]
    }

    fn time(&self, text: &str) -> String {
        match text.parse::<Timestamp>() {
            Ok(at) => at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            Err(_) => escaped(&text.chars().take(20).collect::<String>()),
        }
    }
}

/// What was done, or asked for.
fn what(record: &Record<'_>) -> String {
    let name = record.secret.as_deref().map(told);
    let by = || record.by.as_deref().map(told).unwrap_or_default();
    let of = |words: &str| match &name {
        Some(name) => format!("{words} {name}"),
        None => words.to_owned(),
    };
    match record.event {
        Event::Start if record.outcome == Outcome::Failed => {
            "daemon not started, since the vault is gone".into()
        }
        Event::Start => "daemon started".into(),
        Event::Stop => "daemon stopped".into(),
        Event::Connect => "connect".into(),
        Event::Create => "make the vault".into(),
        Event::Unlock => "unlock".into(),
        Event::Lock => "lock".into(),
        Event::Panic => "panic".into(),
        Event::EndPanic => "end the panic".into(),
        Event::Get => of("read"),
        Event::List => "list names".into(),
        Event::Info => of("look at"),
        Event::Set => of("store"),
        Event::Remove => of("remove"),
        Event::Move => match record.to.as_deref().map(told) {
            Some(to) => format!("{} to {to}", of("rename")),
            None => of("rename"),
        },
        Event::Restore => of("restore"),
        Event::ChangePassword => "change the master password".into(),
        Event::Settings => "show the settings".into(),
        Event::ChangeSetting => format!("change the setting {}", by()),
        Event::Rules => "show the rules".into(),
        Event::ChangeRules => "change the rules".into(),
        Event::Grant => "grant a terminal".into(),
        Event::Grants => "show the grants".into(),
        Event::Answers => "show the remembered answers".into(),
        Event::Revoke => "revoke a grant".into(),
        Event::Handle => of("make a handle for"),
        Event::Handles => "show the handles".into(),
        Event::Ask => of("ask you about"),
        Event::Questions => "show the questions".into(),
        Event::Approve => of("you said yes:"),
        Event::Refuse => of("you said no:"),
        Event::WhoAmI => "look at another process".into(),
        Event::Canary => of("bait was asked for:"),
        Event::VaultDamaged => "the vault was changed from outside".into(),
        Event::Prove => "show PIN or password".into(),
        Event::ChangePin => "change the approval PIN".into(),
        Event::Pause => "pause".into(),
        Event::Resume => "go on after a pause".into(),
        Event::Log => "a file of the log begins".into(),
        Event::Seal => "a fresh key for the seals".into(),
        Event::Repair => match record.cut {
            Some(cut) => format!("a torn last line was cut off, {cut} bytes"),
            None => "a torn last line was cut off".into(),
        },
        Event::Alarm => match record.by.as_deref() {
            Some("planted") => "a file of the log was taken, or what lay in its place was moved aside".into(),
            Some("foreign-file") => "a file is called as the log's are, is none of it, and stays".into(),
            Some("unlinked") => "what ties the log's seals to those before was gone".into(),
            _ => "the log did not verify, and was set aside".into(),
        },
        Event::AcceptLog => "the alarm about the log was accepted".into(),
        Event::Auditor => "another auditor's key".into(),
        Event::Backup => "back the vault up".into(),
        Event::Recover => "the vault was recovered from a backup".into(),
        Event::Recovery => match record.by.as_deref() {
            Some("used") => "the recovery code was used".into(),
            _ => "change the recovery code".into(),
        },
        Event::Rollback => match record.by.as_deref() {
            Some("keyring-missing") => "the keyring keeps no state of the vault".into(),
            Some(by) if by.starts_with("keyring-") => {
                "the vault is older than the keyring knows, or another".into()
            }
            _ => "the vault is older than the log, or another".into(),
        },
        Event::AcceptRollback => "the older vault was accepted".into(),
        Event::StorageTest => "test the vault and the log".into(),
        Event::Rotate => match record.by.as_deref() {
            Some("done") => "the vault has another master key".into(),
            Some("resumed") => "go on to another master key".into(),
            Some("given-up") => "what was begun of another master key was given up".into(),
            _ => "begin to give the vault another master key".into(),
        },
        Event::Retire => "old files of the log were deleted".into(),
        Event::TakeOver => "read what the predecessor left".into(),
        Event::TakeAway => "delete what the predecessor left".into(),
        Event::DeviceKey => match record.by.as_deref() {
            Some("bound") => "bind the password to a device key in the keyring".into(),
            Some("unbound") => "let the password open the vault without the keyring".into(),
            _ => "take spare device keys out of the keyring".into(),
        },
        Event::Encrypt => of("encrypt for"),
        Event::Decrypt => of("decrypt for"),
        Event::Export if record.secret.is_none() => "export secrets in plain text".into(),
        Event::Export => of("export"),
    }
}

/// Who it was.
pub(crate) fn who(record: &Record<'_>) -> String {
    if let Some(judged) = &record.judged {
        let script = judged.script.as_deref().map(|script| format!(" {}", quoted(script)));
        return format!("{}{} ({})", told(&judged.name), script.unwrap_or_default(), judged.pid);
    }
    let Some(peer) = &record.peer else { return String::new() };
    let pid = peer.kernel.pid.map(|pid| format!(" ({pid})")).unwrap_or_default();
    let file = peer.kernel.exe.as_ref().map(Exe::name);
    match (file, &peer.claims) {
        (Some(file), _) => format!("{}{pid}", told(file)),
        (None, Some(claims)) => format!("{}{pid}", quoted(&claims.client)),
        (None, None) => format!("user {}{pid}", peer.kernel.uid),
    }
}

/// Why it was allowed or refused, or happened.
fn why(record: &Record<'_>) -> Option<String> {
    let by = record.by.as_deref()?;
    let words = match by {
        "policy" => "no rule allows it",
        "locked" => "no session is open",
        "paused" => "the session is paused",
        "no-vault" => "there is no vault",
        "refused-too-often" => "refused too often",
        "master-password" => "by the master password",
        "pin" => "by the approval PIN",
        "wrong-password" => "wrong password",
        "wrong-pin" => "wrong PIN",
        "no-pin" => "there is no PIN",
        "pin-spent" => "too many wrong PINs",
        "pin-untried" => "the PIN could not be compared",
        "throttled" => "too soon after a wrong one",
        "requested" => "you asked for it",
        "expired" => "its time was over",
        "idle" => "nothing was used for so long",
        "keyring-locked" => "the keyring locked",
        "screen-locked" => "the screen locked",
        "suspend" => "the machine goes to sleep",
        "logout" => "you logged out",
        "shutdown" => "the daemon ended",
        "unlogged" => "the log could not be written",
        "canary" => "bait was touched",
        _ => "",
    };
    if record.event == Event::ChangeSetting {
        return None;
    }
    if !words.is_empty() {
        return Some(words.to_owned());
    }
    let (kind, rest) = by.split_once(':').unwrap_or((by, ""));
    let rest = told(rest);
    Some(match kind {
        "terminal" => format!("terminal {rest}"),
        "rule" => format!("rule {rest}"),
        "answer" => format!("your answer {rest}"),
        "person" => format!("you said yes to question {rest}"),
        "handle" => format!("handle {rest}"),
        "question" => format!("question {rest}"),
        _ => told(by),
    })
}

#[cfg(test)]
mod tests {
    use glassdome_audit::{Claims, Judged, Kernel, Peer};

    use super::*;

    fn shown(record: &Record<'_>) -> String {
        let words = Words { zone: TimeZone::UTC, style: Style::plain() };
        words.row(record).join(" | ")
    }

    fn by(event: Event, outcome: Outcome, by: &'static str) -> Record<'static> {
        let exe = Exe { path: "/usr/bin/ctl".into(), dev: 1, ino: 2 };
        let kernel = Kernel { pid: Some(4), uid: 1000, gid: None, exe: Some(exe) };
        Record {
            time: "2026-11-22T12:00:00.500Z".into(),
            by: Some(by.into()),
            secret: Some("db/a".into()),
            peer: Some(Peer { kernel, claims: None }),
            ..Record::new(event, outcome)
        }
    }

    #[test]
    fn records_read_as_sentences() {
        let read = by(Event::Get, Outcome::Allowed, "terminal:3");
        assert_eq!(shown(&read), "2026-11-22 12:00:00 | ok | read db/a | ctl (4) | terminal 3");
        let claims = Claims { client: "glassdome-client".into(), version: "0".into() };
        let hidden = Kernel { pid: Some(4), uid: 1000, gid: None, exe: None };
        let typed = Record { peer: Some(Peer { kernel: hidden, claims: Some(claims) }), ..read };
        assert!(shown(&typed).contains("| \"glassdome-client\" (4) |"), "by its own word only");
        let judged = Judged { pid: 9, name: "python3".into(), script: Some("/srv/x.py".into()) };
        let refused =
            Record { judged: Some(judged), repeated: 41, ..by(Event::Get, Outcome::Denied, "policy") };
        let why = "no rule allows it, and 41 more like it before";
        assert_eq!(
            shown(&refused),
            format!("2026-11-22 12:00:00 | denied | read db/a | python3 \"/srv/x.py\" (9) | {why}")
        );
        let moved = by(Event::Move, Outcome::Allowed, "terminal:3");
        assert!(shown(&moved).contains("| rename db/a | "), "an earlier version's: {}", shown(&moved));
        let moved = Record { to: Some("db/b".into()), ..moved };
        assert!(shown(&moved).contains("| rename db/a to db/b | "), "{}", shown(&moved));
        let setting = Record { secret: None, ..by(Event::ChangeSetting, Outcome::Allowed, "idle") };
        assert!(shown(&setting).contains("| change the setting idle | ctl (4) | "), "{}", shown(&setting));
        let lock = Record { peer: None, secret: None, ..by(Event::Lock, Outcome::Allowed, "idle") };
        assert!(shown(&lock).ends_with("| ok | lock |  | nothing was used for so long"), "{}", shown(&lock));
        assert!(
            shown(&by(Event::Canary, Outcome::Failed, "rule:x"))
                .contains("| ALARM | bait was asked for: db/a |")
        );
    }

    #[test]
    fn what_a_hostile_log_says_cannot_steer() {
        let evil = "a\u{1b}[2J\u{202e}\n";
        let exe = Exe { path: format!("/x/{evil}").into(), dev: 1, ino: 2 };
        let kernel = Kernel { pid: Some(4), uid: 1000, gid: None, exe: Some(exe) };
        let judged = Judged { pid: 9, name: evil.into(), script: Some(evil.into()) };
        for judged in [Some(judged), None] {
            for by in [evil.to_owned(), format!("rule:{evil}"), format!("{evil}:x")] {
                let record = Record {
                    time: evil.into(),
                    by: Some(by.into()),
                    secret: Some(evil.into()),
                    to: Some(evil.into()),
                    judged: judged.clone(),
                    peer: Some(Peer { kernel: kernel.clone(), claims: None }),
                    ..Record::new(Event::ChangeSetting, Outcome::Allowed)
                };
                for event in [Event::ChangeSetting, Event::Get, Event::Handle, Event::Move] {
                    let line = shown(&Record { event, ..record.clone() });
                    assert!(!line.contains(glassdome_proto::deceives), "{line:?}");
                }
            }
        }
        let words = Words { zone: TimeZone::UTC, style: Style::plain() };
        let broken =
            words.broken(b"\x1b]0;x\x07\xff\xe2\x80\xae and much more text behind it that nobody wants");
        assert!(!broken.concat().contains(glassdome_proto::deceives), "{broken:?}");
    }
}
