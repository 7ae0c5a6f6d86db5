//! Which class and activity of OCSF an event is. Names and numbers are the schema's own.

use crate::Event;

/// A class of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    EventLog,
    DetectionFinding,
    AccountChange,
    Authentication,
    AuthorizeSession,
    EntityManagement,
    UserAccess,
    ApplicationLifecycle,
    Api,
}

/// What of a class happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Activity {
    pub(super) class: Class,
    pub(super) id: u8,
    /// What the schema calls it; `None`: [`OTHER`], which is called by our own word.
    pub(super) name: Option<&'static str>,
}

/// The id of an activity that the schema has no word for.
const OTHER: u8 = 99;

impl Class {
    /// `class_uid` and `class_name`.
    pub(super) fn uid(self) -> (u32, &'static str) {
        match self {
            Self::EventLog => (1008, "Event Log Activity"),
            Self::DetectionFinding => (2004, "Detection Finding"),
            Self::AccountChange => (3001, "Account Change"),
            Self::Authentication => (3002, "Authentication"),
            Self::AuthorizeSession => (3003, "Authorize Session"),
            Self::EntityManagement => (3004, "Entity Management"),
            Self::UserAccess => (3005, "User Access Management"),
            Self::ApplicationLifecycle => (6002, "Application Lifecycle"),
            Self::Api => (6003, "API Activity"),
        }
    }

    /// `category_uid` and `category_name`: the thousands of a class's number.
    pub(super) fn category(self) -> (u32, &'static str) {
        match self.uid().0 / 1000 {
            1 => (1, "System Activity"),
            2 => (2, "Findings"),
            3 => (3, "Identity & Access Management"),
            _ => (6, "Application Activity"),
        }
    }
}

/// The row of `event` in the table.
pub(super) fn activity(event: Event) -> Activity {
    use Class::{
        AccountChange, Api, ApplicationLifecycle, Authentication, AuthorizeSession, DetectionFinding,
        EntityManagement, EventLog, UserAccess,
    };
    match event {
        Event::Start => named(ApplicationLifecycle, 3, "Start"),
        Event::Stop => named(ApplicationLifecycle, 4, "Stop"),
        Event::Unlock => named(Authentication, 1, "Logon"),
        Event::Lock => named(Authentication, 2, "Logoff"),
        Event::Prove => other(Authentication),
        Event::Panic => named(AccountChange, 9, "Lock"),
        Event::EndPanic => named(AccountChange, 12, "Unlock"),
        Event::ChangePassword => named(AccountChange, 3, "Password Change"),
        Event::Create | Event::Recover => named(Api, 1, "Create"),
        Event::Get
        | Event::List
        | Event::Info
        | Event::Settings
        | Event::Rules
        | Event::Grants
        | Event::Answers
        | Event::Handles
        | Event::Questions
        | Event::TakeOver
        | Event::Backup
        | Event::StorageTest
        | Event::Encrypt
        | Event::Decrypt
        | Event::Export
        | Event::WhoAmI => named(Api, 2, "Read"),
        Event::Set | Event::Move | Event::Restore => named(Api, 3, "Update"),
        Event::Remove | Event::TakeAway => named(Api, 4, "Delete"),
        Event::Connect => other(Api),
        Event::ChangeSetting
        | Event::ChangeRules
        | Event::ChangePin
        | Event::Auditor
        | Event::Recovery
        | Event::DeviceKey
        | Event::Rotate => named(EntityManagement, 3, "Update"),
        Event::Pause => named(EntityManagement, 12, "Suspend"),
        Event::Resume => named(EntityManagement, 13, "Resume"),
        Event::Grant | Event::Handle => named(AuthorizeSession, 1, "Assign Privileges"),
        Event::Approve => named(UserAccess, 1, "Assign Privileges"),
        Event::Revoke => named(UserAccess, 2, "Revoke Privileges"),
        Event::Ask | Event::Refuse => other(UserAccess),
        Event::Canary | Event::VaultDamaged | Event::Alarm | Event::Rollback => {
            named(DetectionFinding, 1, "Create")
        }
        Event::AcceptLog | Event::AcceptRollback => named(DetectionFinding, 3, "Close"),
        Event::Log => named(EventLog, 6, "Start"),
        Event::Retire => named(EventLog, 2, "Delete"),
        Event::Seal | Event::Repair => other(EventLog),
    }
}

fn named(class: Class, id: u8, name: &'static str) -> Activity {
    Activity { class, id, name: Some(name) }
}

fn other(class: Class) -> Activity {
    Activity { class, id: OTHER, name: None }
}
