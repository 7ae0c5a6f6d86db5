//! `glassdome._native`: the client library as Python sees it. Everything that needs no Rust is Python, in
//! `python/glassdome/`.
//!
//! | file | holds |
//! |---|---|
//! | `vault` | the class `Vault`, whose methods are the module's functions too |
//! | `lines` | its connections: kept, shared by threads, left behind by a fork |
//! | `signals` | Ctrl-C while the daemon is waited for |
//! | `waiting` | for how long a person is asked, and how whoever runs the program is told |
//! | `watch` | the iterator over the daemon's states |
//! | `channel` | a connection for asyncio, which `glassdome.aio` watches |
//! | `values` | values on their way between Python and wiped memory |
//! | `about` | the classes `Info` and `Status` |
//! | `exceptions` | an error as the exception for its code |
#![forbid(unsafe_code)]

mod about;
mod channel;
mod exceptions;
mod lines;
mod signals;
mod values;
mod vault;
mod waiting;
mod watch;

/// The extension module of the package `glassdome`.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use super::about::{Info, Status};
    #[pymodule_export]
    use super::channel::Channel;
    #[pymodule_export]
    use super::vault::{Vault, connect};
    #[pymodule_export]
    use super::watch::Watch;

    /// The environment variable that names the handle which a process was started with.
    #[pymodule_export]
    const HANDLE: &str = glassdome_client::HANDLE;

    /// How long the name of a secret may be, in bytes of UTF-8.
    #[pymodule_export]
    const LONGEST: usize = glassdome_proto::limits::NAME;

    /// The version of this package, which is that of the programs that it was built with.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's spelling")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
