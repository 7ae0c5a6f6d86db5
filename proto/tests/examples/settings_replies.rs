//! What is answered about settings, and about the audit log.

use glassdome_proto::Answer;
use glassdome_proto::settings::{self, LogPlace, Setting};

use super::{NONCE, THEN, list, text};

/// Of the settings.
pub fn settings() -> Vec<(&'static str, Answer<'static>)> {
    let setting = || Setting {
        key: text("idle"),
        value: text("10m"),
        default: false,
        about: text("lock after this long without use"),
    };
    let all = settings::Answer::All(list(vec![setting(), Setting { default: true, ..setting() }]));
    vec![("", Answer::Settings(all)), ("", Answer::Settings(settings::Answer::Set(setting())))]
}

/// Of the audit log.
pub fn logs() -> Vec<(&'static str, Answer<'static>)> {
    let place = |seq| LogPlace { log: [3; 16], seq, hash: NONCE };
    let head = settings::Answer::AuditHead {
        anchored: Some(place(300)),
        alarm: None,
        head: place(301),
        accepted: Some(7),
    };
    let alarmed =
        settings::Answer::AuditHead { anchored: None, alarm: Some(THEN), head: place(2), accepted: None };
    vec![
        ("", Answer::Settings(settings::Answer::AuditorSet)),
        ("", Answer::Settings(settings::Answer::LogAccepted)),
        ("", Answer::Settings(head)),
        ("alarmed", Answer::Settings(alarmed)),
    ]
}
