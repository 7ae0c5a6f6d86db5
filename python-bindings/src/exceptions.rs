//! Turns an error of the client into the Python exception for its code: the words are those of `ctl`.

use glassdome_client::{Error, Exit};
use glassdome_proto::Code;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

/// `glassdome.errors`, once something went wrong: it is not read before.
static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// The exception, ready to be raised; or what kept it from being made.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let retry_after = match error {
        Error::Refused { retry_after, .. } => retry_after.map(|after| after.as_secs_f64()),
        _ => None,
    };
    make(py, class(error), error.advice(), retry_after).unwrap_or_else(|failed| failed)
}

/// An exception about how something of ours was called.
pub(crate) fn usage(py: Python<'_>, line: &str) -> PyErr {
    exception(py, &Error::Usage(line.to_owned()))
}

/// In a child, of a change that its parent waits for.
pub(crate) fn of_parent(py: Python<'_>) -> PyErr {
    let line = "this process was forked while its parent asked: only the parent is told what came of it";
    make(py, "UnreachableError", line.to_owned(), None).unwrap_or_else(|failed| failed)
}

fn make(py: Python<'_>, class: &str, line: String, retry_after: Option<f64>) -> PyResult<PyErr> {
    let errors = ERRORS.get_or_try_init(py, || Ok::<_, PyErr>(py.import("glassdome.errors")?.unbind()))?;
    let raised = errors.bind(py).getattr(class)?.call1((line, retry_after))?;
    Ok(PyErr::from_value(raised))
}

fn class(error: &Error) -> &'static str {
    match (error, error.code()) {
        (Error::NoDaemon { .. }, _) => "NoDaemonError",
        (Error::NotOurs(_), _) => "UntrustedDaemonError",
        (_, Some(Code::Paused)) => "PausedError",
        (_, Some(Code::NoVault)) => "NoVaultError",
        (_, Some(Code::WeakPassword)) => "WeakPasswordError",
        _ => match Exit::of(error) {
            Exit::Usage => "UsageError",
            Exit::Locked => "LockedError",
            Exit::Denied => "DeniedError",
            Exit::NotFound => "NotFoundError",
            Exit::Unreachable => "UnreachableError",
            Exit::WrongPassword => "WrongPasswordError",
            Exit::Throttled => "ThrottledError",
            Exit::Conflict => "ConflictError",
            Exit::Corrupt => "CorruptError",
            Exit::Protocol => "ProtocolError",
            Exit::Storage => "StorageError",
            Exit::NoInput => "NoInputError",
            Exit::Ok | Exit::Error | Exit::NotRun | Exit::CannotRun | Exit::NoProgram => "Error",
        },
    }
}
