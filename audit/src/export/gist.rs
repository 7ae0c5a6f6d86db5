//! What every schema asks for and no record says: how grave it is, and in a phrase what it was.

use crate::{Event, Outcome, Record};

/// How grave an event is, in the levels that the schemas have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Informational,
    /// Worth knowing: something that protects was changed, or something allowed was not done.
    Low,
    /// Refused, or stopped by hand.
    Medium,
    /// Somebody touched bait, or what is sealed is not what was sealed.
    Critical,
}

/// How grave it is that `event` had `outcome`.
pub fn severity(event: Event, outcome: Outcome) -> Severity {
    match (event, outcome) {
        // The keyring keeps nothing to compare the vault with.
        (Event::Rollback, Outcome::Allowed) => Severity::Medium,
        (Event::Canary | Event::VaultDamaged | Event::Alarm | Event::Rollback, _) => Severity::Critical,
        (
            Event::Panic
            | Event::Recovery
            | Event::Recover
            | Event::DeviceKey
            | Event::Rotate
            | Event::Export,
            _,
        )
        | (_, Outcome::Denied) => Severity::Medium,
        (_, Outcome::Failed)
        | (
            Event::EndPanic
            | Event::ChangePassword
            | Event::ChangeSetting
            | Event::ChangeRules
            | Event::ChangePin
            | Event::Remove
            | Event::TakeAway
            | Event::Repair
            | Event::AcceptLog
            | Event::AcceptRollback
            | Event::Auditor
            | Event::Retire,
            _,
        ) => Severity::Low,
        _ => Severity::Informational,
    }
}

/// What was asked, or happened, for people who do not know Glassdome, whatever became of it.
pub fn title(event: Event) -> &'static str {
    row(event).1
}

/// The event as it stands in a line.
pub fn word(event: Event) -> &'static str {
    row(event).0
}

/// `Read of a secret's value: aws/prod/key, allowed (rule:3)`. What others wrote is in it as it is.
pub fn message(record: &Record<'_>) -> String {
    let mut text = title(record.event).to_owned();
    if let Some(secret) = &record.secret {
        text = text + ": " + secret;
    }
    if let Some(to) = &record.to {
        text = text + " to " + to;
    }
    text = text + ", " + outcome(record.outcome);
    if let Some(by) = &record.by {
        text = text + " (" + by + ")";
    }
    text
}

/// The outcome as it stands in a line.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::Denied => "denied",
        Outcome::Failed => "failed",
    }
}

fn row(event: Event) -> (&'static str, &'static str) {
    match event {
        Event::Start => ("start", "Start of the daemon"),
        Event::Stop => ("stop", "End of the daemon"),
        Event::Connect => ("connect", "Connection of a program"),
        Event::Create => ("create", "Making of the vault"),
        Event::Unlock => ("unlock", "Opening of a session"),
        Event::Lock => ("lock", "End of a session"),
        Event::Panic => ("panic", "Panic: no session opens until it is ended"),
        Event::EndPanic => ("end-panic", "End of a panic"),
        Event::Get => ("get", "Read of a secret's value"),
        Event::List => ("list", "Read of secrets' names"),
        Event::Info => ("info", "Read of what is known of a secret"),
        Event::Set => ("set", "Write of a secret's value"),
        Event::Remove => ("remove", "Removal of a secret"),
        Event::Move => ("move", "Renaming of a secret"),
        Event::Restore => ("restore", "Return to a secret's former version"),
        Event::ChangePassword => ("change-password", "Change of the master password"),
        Event::Settings => ("settings", "Read of the sealed settings"),
        Event::ChangeSetting => ("change-setting", "Change of a sealed setting"),
        Event::Rules => ("rules", "Read of the sealed rules"),
        Event::ChangeRules => ("change-rules", "Change of the sealed rules"),
        Event::Grant => ("grant", "Grant to a terminal"),
        Event::Grants => ("grants", "Look at granted terminals"),
        Event::Answers => ("answers", "Look at remembered answers"),
        Event::Revoke => ("revoke", "End of a grant or a remembered answer"),
        Event::Handle => ("handle", "Handle for a program"),
        Event::Handles => ("handles", "Look at handles"),
        Event::Ask => ("ask", "Question to the person"),
        Event::Questions => ("questions", "Look at open questions"),
        Event::Approve => ("approve", "Yes from the person"),
        Event::Refuse => ("refuse", "No from the person"),
        Event::WhoAmI => ("who-am-i", "Look at another process"),
        Event::Canary => ("canary", "Bait touched"),
        Event::VaultDamaged => ("vault-damaged", "Vault changed behind the daemon's back"),
        Event::Prove => ("prove", "Proof by PIN or master password"),
        Event::ChangePin => ("change-pin", "Change of the approval PIN"),
        Event::Pause => ("pause", "Pause: a screen is locked"),
        Event::Resume => ("resume", "End of a pause"),
        Event::Log => ("log", "Begin of a file of the audit log"),
        Event::Seal => ("seal", "Fresh key for the audit log's seals"),
        Event::Repair => ("repair", "Torn last line of the audit log cut off"),
        Event::Alarm => ("alarm", "Alarm about the audit log"),
        Event::AcceptLog => ("accept-log", "Acceptance of an alarm about the audit log"),
        Event::Auditor => ("auditor", "Change of the audit log's auditor"),
        Event::Backup => ("backup", "Backup of the sealed vault"),
        Event::Recover => ("recover", "Recovery of the vault from a backup"),
        Event::Recovery => ("recovery", "Use or change of the recovery code"),
        Event::Rollback => ("rollback", "Older vault put back"),
        Event::AcceptRollback => ("accept-rollback", "Acceptance of an older vault"),
        Event::StorageTest => ("storage-test", "Test of the vault and the audit log"),
        Event::Rotate => ("rotate", "Rotation of the vault's master key"),
        Event::Retire => ("retire", "Deletion of old files of the audit log"),
        Event::TakeOver => ("take-over", "Read of what the predecessor left in the keyring"),
        Event::Encrypt => ("encrypt", "Encryption of data outside the vault"),
        Event::Decrypt => ("decrypt", "Decryption of data outside the vault"),
        Event::TakeAway => ("take-away", "Removal of what the predecessor left in the keyring"),
        Event::DeviceKey => ("device-key", "Change of what the keyring has to do with opening the vault"),
        Event::Export => ("export", "Export of secrets in plain text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::samples;

    #[test]
    fn words_are_those_of_the_lines_and_titles_tell_events_apart() {
        let events = samples::events();
        assert!(events.len() > 40, "{events:?}");
        let mut titles: Vec<_> = events.iter().map(|event| title(*event)).collect();
        for event in &events {
            assert_eq!(serde_json::to_value(event).unwrap(), word(*event));
        }
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), events.len());
    }

    #[test]
    fn refusals_and_tampering_are_graver_than_use() {
        for outcome in samples::OUTCOMES {
            assert_eq!(severity(Event::Canary, outcome), Severity::Critical);
            assert!(severity(Event::Get, outcome) < Severity::Critical);
            assert_eq!(serde_json::to_value(outcome).unwrap(), super::outcome(outcome));
        }
        assert_eq!(severity(Event::Get, Outcome::Allowed), Severity::Informational);
        assert!(severity(Event::Get, Outcome::Denied) > severity(Event::Get, Outcome::Failed));
    }

    #[test]
    fn a_message_says_what_and_by_which_right() {
        let mut record = Record::new(Event::Get, Outcome::Allowed);
        assert_eq!(message(&record), "Read of a secret's value, allowed");
        record.secret = Some("a/b".into());
        record.by = Some("rule:3".into());
        assert_eq!(message(&record), "Read of a secret's value: a/b, allowed (rule:3)");
        (record.event, record.to) = (Event::Move, Some("c/d".into()));
        assert_eq!(message(&record), "Renaming of a secret: a/b to c/d, allowed (rule:3)");
    }
}
