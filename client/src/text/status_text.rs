//! The whole status: as lines for a person, and as a document for programs.

use std::io::stdout;

use glassdome_proto::session::{
    self, Audit, Keyring, LockReason, Logind, Memory, Screen, State, Status, VaultState, is_backup_due,
};
use serde::Serialize;

use super::style::Style;
use super::{prompt, time};
use crate::error::printable;

/// Of a log with an alarm that nobody has accepted.
pub(crate) const LOG_ALARM: &str =
    "not as it was left. Look: ctl audit verify, ctl doctor; then: ctl audit accept";

/// Where there is none, or only an old one.
pub(crate) const BACKUP_DUE: &str = "a backup is due: ctl storage backup FILE";

/// The status for programs. Keys are never renamed or taken away; times are seconds since the epoch.
#[derive(Serialize)]
pub(crate) struct Document {
    state: &'static str,
    reason: Option<&'static str>,
    expires_at: Option<u64>,
    left_s: Option<u32>,
    ends_soon: Option<bool>,
    daemon: Option<Daemon>,
    keyring: Option<Part>,
    logind: Option<Part>,
    screen: Option<Part>,
    audit: Option<Part>,
    vault: Option<Vault>,
    storage: Option<Storage>,
}

#[derive(Serialize)]
struct Daemon {
    pid: u32,
    version: String,
    memory: &'static str,
}

#[derive(Serialize)]
struct Part {
    state: &'static str,
}

#[derive(Serialize)]
struct Vault {
    state: &'static str,
    secrets: Option<u64>,
}

#[derive(Serialize)]
struct Storage {
    mode: &'static str,
    last_backup: Option<u64>,
    backup_due: bool,
}

/// The word for a state that programs see; none is no daemon.
pub(crate) fn state_word(status: Option<&Status<'_>>) -> &'static str {
    match status.map(|status| status.state) {
        Some(State::Unlocked { .. }) => "unlocked",
        Some(State::Paused { .. }) => "paused",
        Some(State::Locked) => "locked",
        None => "no-daemon",
    }
}

pub(crate) fn document(status: Option<&Status<'_>>) -> Document {
    dated(status, time::now())
}

fn dated(status: Option<&Status<'_>>, now: u64) -> Document {
    let (expires_at, left_s, secrets) = match status.map(|status| status.state) {
        Some(
            State::Unlocked { expires_at, left_s, secrets } | State::Paused { expires_at, left_s, secrets },
        ) => (Some(expires_at), Some(left_s), Some(secrets)),
        Some(State::Locked) | None => (None, None, None),
    };
    Document {
        state: state_word(status),
        reason: status.and_then(|status| status.last_lock).map(LockReason::name),
        expires_at,
        left_s,
        ends_soon: left_s.map(prompt::is_soon),
        daemon: status.map(|status| Daemon {
            pid: status.pid,
            version: status.version.to_string(),
            memory: status.memory.name(),
        }),
        keyring: status.map(|status| Part { state: status.keyring.name() }),
        logind: status.map(|status| Part { state: status.logind.name() }),
        screen: status.map(|status| Part { state: status.screen.name() }),
        audit: status.map(|status| Part { state: status.audit.name() }),
        vault: status.map(|status| Vault { state: status.vault.name(), secrets }),
        storage: status.and_then(|status| status.storage).map(|storage| Storage {
            mode: storage.mode(),
            last_backup: storage.backup,
            backup_due: is_backup_due(storage.backup, now),
        }),
    }
}

/// A line that says how it is and what can be done about it, then a line each of what there is.
pub(crate) fn describe(status: Option<&Status<'_>>) -> String {
    let style = Style::of(&stdout());
    match status {
        Some(status) => lines(status, style, time::now()),
        None => format!("{}: nothing is unlocked. Start: glassdome_start\n", style.bad("no daemon")),
    }
}

fn lines(status: &Status<'_>, style: Style, now: u64) -> String {
    let (head, secrets) = match status.state {
        State::Unlocked { expires_at, left_s, secrets } => {
            let end = time::session_end(expires_at, left_s, now);
            let word = style.good("unlocked");
            let head = match prompt::is_soon(left_s) {
                true => {
                    format!("{word} {end}: {}. Renew: glassdome_start --renew", style.careful("about to end"))
                }
                false => format!("{word} {end}. Lock: ctl lock"),
            };
            (head, count(secrets))
        }
        State::Paused { expires_at, left_s, secrets } => {
            let end = time::session_end(expires_at, left_s, now);
            let why = "the screen is locked. Go on: unlock it, or glassdome_start. Not to pause again: ctl settings set \
                       screen off";
            (format!("{}: {why}. Open {end}", style.bad("paused")), count(secrets))
        }
        State::Locked if status.vault == VaultState::Absent => {
            (format!("{}. Create it: glassdome_start", style.bad("no vault yet")), String::new())
        }
        State::Locked => {
            let why = status.last_lock.map_or(String::new(), |reason| format!(": {}", reason.describe()));
            let mend = status.last_lock.unwrap_or(LockReason::Requested).mend();
            (format!("{}{why}. {mend}", style.bad("locked")), String::new())
        }
    };
    let vault = match status.vault {
        VaultState::Absent => style.faint("none"),
        VaultState::Present => format!("there{secrets}"),
        VaultState::Damaged => {
            style.bad("damaged: records were put back, changed or taken away. See what: ctl storage test")
        }
    };
    let memory = match status.memory {
        Memory::Secret => "secret (memfd_secret)".to_owned(),
        Memory::Locked => "locked (mlock)".to_owned(),
        Memory::None => style.bad("unprotected: no session can be opened. See: ctl doctor"),
    };
    let keyring = match status.keyring {
        Keyring::Unlocked => "open".to_owned(),
        Keyring::Locked => style.bad("locked"),
        Keyring::Silent => style.bad(status.keyring.why_not()),
        Keyring::Unwatched | Keyring::NoBus | Keyring::NoKeyring | Keyring::NoCollection => {
            style.faint(status.keyring.why_not())
        }
    };
    let logind = match status.logind {
        Logind::Unwatched => style.faint("not listened to"),
        Logind::NoBus => style.faint("none: no system bus"),
        Logind::NoLogind => style.faint("none on the system bus"),
        Logind::Silent => style.bad("does not answer"),
        Logind::Undelayed => style.bad("listened to, but does not wait. See: ctl doctor"),
        Logind::Watched => "listened to".to_owned(),
    };
    let screen = match status.screen {
        Screen::Unwatched => style.faint("not listened to"),
        Screen::Unseen => style.faint("nobody tells of one"),
        Screen::Open => "open".to_owned(),
        Screen::Locked => style.bad("locked"),
    };
    let audit = match status.audit {
        Audit::Unmet => style.faint("not compared with the vault yet: unlock"),
        Audit::Chained => "goes on from what the vault remembers; not sealed. See: ctl doctor".to_owned(),
        Audit::Sealed => "goes on from what the vault remembers; sealed".to_owned(),
        Audit::Alarm => style.bad(LOG_ALARM),
    };
    let daemon = format!("process {}, version {}", status.pid, printable(&status.version));
    let kept = (status.vault != VaultState::Absent).then(|| ("storage", storage(status.storage, style, now)));
    let parts = [("daemon", daemon), ("memory", memory), ("keyring", keyring), ("logind", logind)];
    let parts =
        [&[("vault", vault)], kept.as_slice(), &parts, &[("screen", screen), ("audit", audit)]].concat();
    let parts: String = parts.iter().map(|(key, value)| format!("  {key:<8} {value}\n")).collect();
    format!("{head}\n{parts}")
}

/// What opens the vault, and whether it would be there without its file.
fn storage(storage: Option<session::Storage>, style: Style, now: u64) -> String {
    let Some(storage) = storage else { return style.bad("cannot be read. See: ctl storage") };
    let mode = match storage.bound {
        true => "keyring: opens with its device key and the master password",
        false => "file: the master password alone opens it",
    };
    match storage.backup.filter(|_| !is_backup_due(storage.backup, now)) {
        Some(at) => format!("{mode}; last backup {}", time::date(at)),
        None => format!("{mode}; {}", style.careful(BACKUP_DUE)),
    }
}

fn count(secrets: u64) -> String {
    match secrets {
        1 => ", 1 secret".to_owned(),
        secrets => format!(", {secrets} secrets"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::prompt::tests::{paused, status, unlocked};

    fn json(status: Option<&Status<'_>>) -> String {
        serde_json::to_string(&document(status)).unwrap()
    }

    #[test]
    fn documents_have_the_documented_shape() {
        assert_eq!(
            json(Some(&unlocked(60))),
            r#"{"state":"unlocked","reason":"idle","expires_at":1795348800,"left_s":60,"ends_soon":true,"daemon":{"pid":7,"version":"0.1.0","memory":"secret"},"keyring":{"state":"unwatched"},"logind":{"state":"unwatched"},"screen":{"state":"unwatched"},"audit":{"state":"unmet"},"vault":{"state":"present","secrets":3},"storage":null}"#
        );
        assert_eq!(
            json(Some(&status(State::Locked))),
            r#"{"state":"locked","reason":"idle","expires_at":null,"left_s":null,"ends_soon":null,"daemon":{"pid":7,"version":"0.1.0","memory":"secret"},"keyring":{"state":"unwatched"},"logind":{"state":"unwatched"},"screen":{"state":"unwatched"},"audit":{"state":"unmet"},"vault":{"state":"present","secrets":null},"storage":null}"#
        );
        assert_eq!(
            json(None),
            r#"{"state":"no-daemon","reason":null,"expires_at":null,"left_s":null,"ends_soon":null,"daemon":null,"keyring":null,"logind":null,"screen":null,"audit":null,"vault":null,"storage":null}"#
        );
    }

    #[test]
    fn how_the_vault_is_kept_is_told_to_people_and_programs() {
        const DAY: u64 = 86_400;
        let at = |bound, backup| Status {
            storage: Some(session::Storage { bound, backup }),
            ..status(State::Locked)
        };
        let json = |status: &Status<'_>, now| {
            serde_json::to_value(dated(Some(status), now)).unwrap()["storage"].to_string()
        };
        let line = |status: &Status<'_>, now| {
            let text = lines(status, Style::plain(), now);
            text.lines().find_map(|line| line.strip_prefix("  storage  ").map(str::to_owned))
        };
        let none = at(false, None);
        assert_eq!(json(&none, DAY), r#"{"backup_due":true,"last_backup":null,"mode":"file"}"#);
        let told = "file: the master password alone opens it; a backup is due: ctl storage backup FILE";
        assert_eq!(line(&none, DAY).as_deref(), Some(told));
        let bound = at(true, Some(DAY));
        assert_eq!(json(&bound, 31 * DAY), r#"{"backup_due":false,"last_backup":86400,"mode":"keyring"}"#);
        assert_eq!(json(&bound, 31 * DAY + 1), r#"{"backup_due":true,"last_backup":86400,"mode":"keyring"}"#);
        let told = line(&bound, 31 * DAY).unwrap();
        assert!(told.starts_with("keyring: ") && told.contains("; last backup 1970-01-0"), "{told}");
        assert!(line(&bound, 31 * DAY + 1).unwrap().ends_with("a backup is due: ctl storage backup FILE"));
        assert!(line(&status(State::Locked), 0).unwrap().contains("cannot be read"));
        let absent = Status { vault: VaultState::Absent, ..status(State::Locked) };
        assert_eq!(line(&absent, 0), None);
    }

    #[test]
    fn lines_say_what_to_do_next() {
        let text = lines(&unlocked(600), Style::plain(), 1_795_348_200);
        assert!(text.starts_with("unlocked until ") && text.contains("(10 min). Lock: ctl lock\n"));
        assert!(text.contains("  vault    there, 3 secrets\n"), "{text}");
        let text = lines(&unlocked(250), Style::plain(), 1_795_348_550);
        assert!(text.contains(" (4 min 10 s): about to end. Renew: glassdome_start --renew\n"), "{text}");
        let text = lines(&unlocked(240), Style::plain(), 1_795_341_600);
        assert!(text.contains(" (2 h; 4 min if unused): about to end. Renew: "), "{text}");
        assert_eq!(document(Some(&unlocked(301))).ends_soon, Some(false));
        let text = lines(&status(State::Locked), Style::plain(), 0);
        assert!(text.starts_with("locked: it was not used. Unlock: glassdome_start\n"), "{text}");
        let text = lines(&paused(600), Style::plain(), 1_795_348_200);
        assert!(
            text.starts_with(
                "paused: the screen is locked. Go on: unlock it, or glassdome_start. Not to pause again: ctl settings set \
                 screen off. Open until "
            )
        );
        assert!(text.contains("  vault    there, 3 secrets\n"), "{text}");
        let panic = Status { last_lock: Some(LockReason::Panic), ..status(State::Locked) };
        let text = lines(&panic, Style::plain(), 0);
        assert!(text.starts_with("locked: panic. End it: glassdome_start --end-panic\n"), "{text}");
        let absent = Status { vault: VaultState::Absent, ..status(State::Locked) };
        assert!(lines(&absent, Style::plain(), 0).starts_with("no vault yet. Create it: glassdome_start\n"));
    }
}
