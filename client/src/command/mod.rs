//! One file a command. Each says what can be typed behind its name, and does it.

use crate::cli::Entry;

pub(crate) mod approvals;
pub(crate) mod approve;
pub(crate) mod audit;
pub(crate) mod complete_names;
pub(crate) mod completions;
pub(crate) mod device;
pub(crate) mod doctor;
pub(crate) mod encrypt;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod grants;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod log;
pub(crate) mod mv;
pub(crate) mod panic;
pub(crate) mod passwd;
pub(crate) mod pin;
pub(crate) mod policy;
pub(crate) mod refuse;
pub(crate) mod restore;
pub(crate) mod revoke;
pub(crate) mod rm;
pub(crate) mod rotate;
pub(crate) mod run;
pub(crate) mod set;
pub(crate) mod settings;
pub(crate) mod shell_init;
pub(crate) mod slots;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod storage;
pub(crate) mod unlock;
pub(crate) mod whoami;

/// All commands of `ctl`, in the order in which its help lists them.
pub(crate) const ALL: &[Entry] = &[
    Entry::of::<status::Status>(),
    Entry::of::<unlock::Unlock>(),
    Entry::of::<lock::Lock>(),
    Entry::of::<panic::Panic>(),
    Entry::of::<stop::Stop>(),
    Entry::of::<get::Get>(),
    Entry::of::<set::Set>(),
    Entry::of::<list::List>(),
    Entry::of::<info::Info>(),
    Entry::of::<rm::Rm>(),
    Entry::of::<mv::Mv>(),
    Entry::of::<history::History>(),
    Entry::of::<restore::Restore>(),
    Entry::of::<import::Import>(),
    Entry::of::<encrypt::Encrypt>(),
    Entry::of::<encrypt::Decrypt>(),
    Entry::of::<export::Export>(),
    Entry::of::<run::Run>(),
    Entry::of::<whoami::WhoAmI>(),
    Entry::of::<policy::Policy>(),
    Entry::of::<approvals::Approvals>(),
    Entry::of::<approve::Approve>(),
    Entry::of::<refuse::Refuse>(),
    Entry::of::<grants::Grants>(),
    Entry::of::<revoke::Revoke>(),
    Entry::of::<audit::Audit>(),
    Entry::of::<log::Log>(),
    Entry::of::<storage::Storage>(),
    Entry::of::<passwd::Passwd>(),
    Entry::of::<slots::Slots>(),
    Entry::of::<rotate::Rotate>(),
    Entry::of::<pin::PinCommand>(),
    Entry::of::<settings::Settings>(),
    Entry::of::<doctor::Doctor>(),
    Entry::of::<shell_init::ShellInit>(),
    Entry::of::<completions::Completions>(),
    Entry::of::<complete_names::CompleteNames>(),
];
