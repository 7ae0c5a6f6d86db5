//! The client: a thin blocking library, and the programs `ctl` and `glassdome_start` over it.
//!
//! It holds no key and cannot: neither the vault nor locked memory is among its dependencies. What
//! it does hold for a moment, a password or a value, lives in buffers that are wiped, in a process
//! that others of the same user cannot read.
//!
//! | file | holds |
//! |---|---|
//! | `socket_path` | where the daemon listens |
//! | `daemon_check` | whether it is ours that listens there |
//! | `greeting` | how a connection begins |
//! | `exchange`, `wire_buffer` | messages in and out without a wait; the wiped buffers of both |
//! | `connection` | waiting: one request, one reply |
//! | `evented` | not waiting: many requests at a time, for an event loop |
//! | `errand` | what takes more than one message |
//! | `guest` | a connection in somebody else's process |
//! | `tap`, `handle` | asking by a handle, and for one |
//! | `shell_token` | what only the shell knows in which a command was typed |
//! | `session`, `policy`, `transfer`, `listing`, `bulk`, `whole`, `gather` | questions of more than one message: state, large values, all pages, many values in and out |
//! | `stream` | data that is encrypted and decrypted |
//! | `start`, `recover` | starting the daemon that lies beside us; the same program, to recover a vault |
//! | `storage` | the vault's file, and a backup of it |
//! | `error`, `exit` | what can go wrong, and the number that scripts see |
//! | `terminal`, `line_editor`, `descriptor`, `password` | hidden input, wiped input, and where the master password comes from |
//! | `proof`, `pin` | asking for it, or for the approval PIN, where a command needs more than an open session |
//! | `import/`, `reference` | files of other programs, and how they name secrets |
//! | `export/` | files for other programs |
//! | `predecessor/` | what the program left that this one replaces |
//! | `random_value`, `private_file`, `shown_once` | made-up values, files for values, and what is shown once and kept nowhere |
//! | `editor` | the person's own editor, and a place for what is edited |
//! | `audit_log/` | the audit log's files: tail, follow, tally |
//! | `cli`, `command/` | the command line, and one file a command |
//! | `text/` | how things look to a person |
//!
//! [`Connection::open`] is for our own programs: it makes its process non-dumpable before it greets, and the daemon
//! believes a process that hides itself only if it is the `ctl`, `glassdome` or `glassdome_start` installed beside it.
//! Any other program opens its connections as a [`Guest`]; what a connection can do is the same.
//!
//! ```no_run
//! use glassdome_client::{Error, Guest, Wait};
//! use glassdome_proto::Name;
//!
//! fn key() -> Result<zeroize::Zeroizing<Vec<u8>>, Error> {
//!     let guest = Guest { client: "my program", version: "1.0", wait: Wait::NOT };
//!     let mut connection = guest.open()?;
//!     Ok(connection.get(Name::parse("aws/prod/key")?, None)?.bytes)
//! }
//! ```
#![forbid(unsafe_code)]

mod audit_log;
mod bulk;
mod cli;
mod command;
mod connection;
#[cfg(test)]
mod connection_tests;
mod daemon_check;
mod descriptor;
mod editor;
mod errand;
mod error;
mod evented;
#[cfg(test)]
mod evented_tests;
mod exchange;
mod exit;
mod export;
mod gather;
mod greeting;
mod guest;
mod handle;
mod import;
mod line_editor;
mod listing;
mod pager;
mod password;
mod pin;
mod policy;
mod predecessor;
mod private_file;
mod proof;
mod random_value;
mod ready;
mod recover;
mod reference;
mod rotation;
mod session;
mod shared_fd;
mod shell_token;
mod shown_once;
mod socket_path;
mod start;
mod storage;
mod stream;
mod tap;
mod terminal;
mod text;
mod transfer;
mod wait;
mod whole;
mod wire_buffer;

/// For the fuzzer, which is no other program's business: reads `file` as the predecessor's file of secrets, with
/// `keys`. How many secrets were opened, and how many left out.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn read_predecessor(file: &[u8], keys: &[&[u8]]) -> Option<(usize, usize)> {
    use predecessor::fernet::Key;
    let keys: Vec<Key> =
        keys.iter().flat_map(|key| [Key::parse(key), Key::parse_wrapped(key)]).flatten().collect();
    let read = predecessor::sealed::open(file, &keys).ok()?.parsed;
    Some((read.items.len(), read.skipped.len()))
}

/// For the fuzzer, likewise: reads `file` as what each other program writes; to each that takes
/// it, how many things are in it.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn read_imports(file: &[u8]) -> Vec<usize> {
    use import::format::{Format, guess, parse};
    let path = std::path::Path::new("file");
    // Whatever it is taken for, it is one that can be read or says why not.
    let _ = guess(path, file);
    let formats = [Format::Env, Format::Json, Format::Bitwarden, Format::KeepassCsv];
    let read = formats.into_iter().filter_map(|format| parse(format, path, file).ok());
    read.map(|parsed| {
        let count = parsed.items.len() + parsed.skipped.len();
        // Naming them must neither fail nor take anything away unsaid.
        let _ = import::store::Intake::new(parsed, Some("p"));
        count
    })
    .collect()
}

pub use cli::{ctl, glassdome_start};
pub use connection::{Connection, HANDSHAKE};
pub use daemon_check::Distrust;
pub use error::{Error, Side};
pub use evented::{Evented, Telling, Told};
pub use exit::Exit;
pub use guest::{Guest, Interruption, Opening};
pub use reference::Reference;
pub use session::Watching;
pub use socket_path::SocketPath;
pub use tap::HANDLE;
pub use transfer::{Upload, Value};
pub use wait::Wait;
