//! `ctl storage status`: where the vault is, how it is opened, and in what health it is.

use glassdome_proto::session::is_backup_due;
use glassdome_proto::settings::{Answer as SettingsAnswer, Request, SlotKind};
use glassdome_proto::storage::{Answer as StorageAnswer, LastTest};
use glassdome_proto::{Answer, Body};

use crate::cli::{connect, print, print_json};
use crate::command::device::Device;
use crate::error::Error;
use crate::exit::Exit;
use crate::text::bytes::size;
use crate::text::status_text::BACKUP_DUE;
use crate::text::table::columns;
use crate::text::{notice, rotation as rotation_text, time};

/// The vault's file for programs.
#[derive(serde::Serialize)]
struct Document<'a> {
    path: &'a str,
    bytes: u64,
    secrets: u64,
    former_versions: u64,
    created: u64,
    last_backup: Option<u64>,
    backup_due: bool,
    last_test: Option<LastTest>,
    damaged: bool,
    recovery_code: bool,
    mode: &'static str,
    device_key: Option<&'static str>,
    spare_device_keys: Option<u32>,
    rotation: Option<Unfinished>,
}

/// A rotation that has not come to its end, for programs.
#[derive(serde::Serialize)]
struct Unfinished {
    since: Option<u64>,
    done: Option<u64>,
    total: Option<u64>,
}

pub(super) fn status(json: bool) -> Result<Exit, Error> {
    let mut connection = connect()?;
    let Answer::Settings(SettingsAnswer::Slots(slots)) = connection.call(Body::Settings(Request::Slots))?
    else {
        return Err(Error::Unexpected);
    };
    let recovery_code = slots.iter().any(|slot| slot.kind == SlotKind::Recovery);
    let device = Device::ask(&mut connection)?;
    let rotation = connection.rotation()?;
    let StorageAnswer::Status { path, bytes, secrets, created, backup, former, tested, damaged } =
        connection.storage()?
    else {
        return Err(Error::Unexpected);
    };
    let now = time::now();
    let backup_due = is_backup_due(backup, now);
    if json {
        let unfinished = rotation.since.is_some() || rotation.under_way.is_some();
        let rotation = unfinished.then(|| Unfinished {
            since: rotation.since,
            done: rotation.under_way.map(|progress| progress.done),
            total: rotation.under_way.map(|progress| progress.total),
        });
        let document = Document {
            path: &path,
            bytes,
            secrets,
            former_versions: former,
            created,
            last_backup: backup,
            backup_due,
            last_test: tested,
            damaged,
            recovery_code,
            mode: device.mode(),
            device_key: device.word(),
            spare_device_keys: device.spare(),
            rotation,
        };
        print_json(&document)?;
        return Ok(Exit::Ok);
    }
    let opened_by =
        if recovery_code { "the master password, or the recovery code" } else { "the master password" };
    let last = backup.map_or_else(|| "none yet".to_owned(), |at| dated(at, now));
    let row = |what: &str, is: String| vec![what.to_owned(), is];
    let mut rows = vec![
        row("vault", path.to_string()),
        row("holds", format!("{}, {}, in {}", counted(secrets), formerly(former), size(bytes))),
        row("made", time::date(created)),
        row("opened by", opened_by.to_owned()),
        row("mode", device.describe(recovery_code)),
        row("last backup", last),
        row(
            "last test",
            tested.map_or_else(|| "never: ctl storage test".to_owned(), |test| result(test, now)),
        ),
    ];
    rows.extend(rotation_text::describe(&rotation).map(|told| row("rotation", told)));
    print(&columns(&rows))?;
    device.remind();
    if damaged {
        notice::remind("the vault is damaged. See what is: ctl storage test");
    }
    if backup_due {
        notice::remind(BACKUP_DUE);
    }
    Ok(Exit::Ok)
}

pub(super) fn counted(secrets: u64) -> String {
    if secrets == 1 { "1 secret".to_owned() } else { format!("{secrets} secrets") }
}

fn formerly(versions: u64) -> String {
    if versions == 1 { "1 former version".to_owned() } else { format!("{versions} former versions") }
}

/// A point in time, and how long ago that was.
fn dated(at: u64, now: u64) -> String {
    let ago = now.saturating_sub(at);
    let (count, unit) = match ago {
        0..60 => return format!("{} (just now)", time::date_time(at)),
        60..3600 => (ago / 60, "min"),
        3600..86_400 => (ago / 3600, "h"),
        86_400..172_800 => (1, "day"),
        _ => (ago / 86_400, "days"),
    };
    format!("{} ({count} {unit} ago)", time::date_time(at))
}

/// When the last test was, and what it came to.
fn result(test: LastTest, now: u64) -> String {
    let vault = match test.faults {
        0 => String::new(),
        1 => "1 fault in the vault".to_owned(),
        faults => format!("{faults} faults in the vault"),
    };
    let log = if test.log_sound { "" } else { "the audit log is not as it was written, or was not read" };
    let found = [vault.as_str(), log].into_iter().filter(|found| !found.is_empty()).collect::<Vec<_>>();
    let found = if found.is_empty() { "sound".to_owned() } else { found.join(", ") };
    format!("{}: {found}", dated(test.at, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_ago_it_was_is_told_in_one_unit() {
        let ago = |seconds: u64| {
            dated(1_795_348_800, 1_795_348_800 + seconds).split_once(" (").unwrap().1.to_owned()
        };
        assert_eq!(
            [0, 59, 60, 3599, 3600, 86_399, 86_400, 172_800, 31 * 86_400].map(ago),
            [
                "just now)",
                "just now)",
                "1 min ago)",
                "59 min ago)",
                "1 h ago)",
                "23 h ago)",
                "1 day ago)",
                "2 days ago)",
                "31 days ago)"
            ]
        );
    }

    #[test]
    fn what_a_test_came_to_is_told_of_vault_and_log() {
        let result = |faults, log_sound| {
            let told = result(LastTest { at: 60, faults, log_sound }, 60);
            told.split_once("): ").unwrap().1.to_owned()
        };
        assert_eq!(result(0, true), "sound");
        assert_eq!(result(1, true), "1 fault in the vault");
        assert_eq!(
            result(2, false),
            "2 faults in the vault, the audit log is not as it was written, or was not read"
        );
        assert_eq!(result(0, false), "the audit log is not as it was written, or was not read");
    }
}
