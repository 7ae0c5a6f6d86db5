//! What ends a run.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// A number that cannot be had, or must not be believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Bad arguments.
    #[error(
        "usage: glassdome-benches BIN_DIR [--python PYTHON] [--markdown]; BIN_DIR holds ctl, glassdome_start and \
         glassdomed, PYTHON can import glassdome and keyring"
    )]
    Usage,
    /// A program is missing.
    #[error("{} is not there: build it first, as `make bench` does", .0.display())]
    NotBuilt(PathBuf),
    /// The run under the client's name failed; it has said why.
    #[error("the measurement ended with {0}")]
    Staged(ExitStatus),
    /// The system refused.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The client library.
    #[error("the daemon did not serve")]
    Client(#[from] glassdome_client::Error),
    /// The vault cannot be read.
    #[error("the vault cannot be read")]
    Vault(#[from] glassdome_vault::Error),
    /// The floor of an unlock.
    #[error("Argon2id: {0}")]
    Argon2(argon2::Error),
    /// The daemon ended or did not come up.
    #[error("the daemon is not there; its last words: {0}")]
    NoDaemon(String),
    /// The machine is never quiet: the daemon works and works.
    #[error("the daemon is busy with nothing for 60 s")]
    Busy,
    /// A program or the daemon gave something else than what was stored.
    #[error("{0} gave a wrong answer: its time means nothing")]
    Wrong(&'static str),
    /// A file of the kernel is not as documented.
    #[error("{0} is not understood")]
    Unreadable(&'static str),
}

impl Error {
    /// For `map_err`.
    pub(crate) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { what, source: source.into() }
    }
}
