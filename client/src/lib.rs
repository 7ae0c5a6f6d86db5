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
//! | `connection`, `wire_buffer` | the handshake; one request, one reply; the wiped buffers of both |
//! | `tap`, `handle` | asking by a handle, and for one |
//! | `shell_token` | what only the shell knows in which a command was typed |
//! | `session`, `policy`, `transfer`, `listing`, `bulk`, `gather` | questions of more than one message: state, large values, all pages, many values in and out |
//! | `start` | starting the daemon that lies beside us |
//! | `error`, `exit` | what can go wrong, and the number that scripts see |
//! | `terminal`, `line_editor`, `descriptor`, `password` | hidden input, wiped input, and where the master password comes from |
//! | `proof`, `pin` | asking for it, or for the approval PIN, where a command needs more than an open session |
//! | `import/`, `reference` | files of other programs, and how they name secrets |
//! | `random_value`, `private_file` | made-up values, and files for values |
//! | `editor` | the person's own editor, and a place for what is edited |
//! | `cli`, `command/` | the command line, and one file a command |
//! | `text/` | how things look to a person |
//!
//! A connection makes its process non-dumpable before it greets, and the daemon believes a process that
//! hides itself only if it is the `ctl`, `glassdome` or `glassdome_start` installed beside it: the library is
//! for these programs. Others speak the protocol themselves (`docs/protocol.md`), or call `ctl`.
//!
//! ```no_run
//! use glassdome_client::{Connection, Error, SocketPath};
//! use glassdome_proto::Name;
//!
//! fn key() -> Result<zeroize::Zeroizing<Vec<u8>>, Error> {
//!     let mut connection = Connection::open(&SocketPath::find()?.path)?;
//!     Ok(connection.get(Name::parse("aws/prod/key")?, None)?.bytes)
//! }
//! ```
#![forbid(unsafe_code)]

mod bulk;
mod cli;
mod command;
mod connection;
#[cfg(test)]
mod connection_tests;
mod daemon_check;
mod descriptor;
mod editor;
mod error;
mod exit;
mod gather;
mod handle;
mod import;
mod line_editor;
mod listing;
mod pager;
mod password;
mod pin;
mod policy;
mod private_file;
mod proof;
mod random_value;
mod reference;
mod session;
mod shell_token;
mod socket_path;
mod start;
mod tap;
mod terminal;
mod text;
mod transfer;
mod wait;
mod wire_buffer;

pub use cli::{ctl, glassdome_start};
pub use connection::{Connection, HANDSHAKE};
pub use daemon_check::Distrust;
pub use error::{Error, Side};
pub use exit::Exit;
pub use socket_path::SocketPath;
pub use transfer::{Upload, Value};
