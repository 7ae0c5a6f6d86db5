//! The class `Vault`: what can be asked of the daemon, by name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use glassdome_client::{Error, Reference, Upload, Value};
use glassdome_proto::secrets::Expect;
use glassdome_proto::{Code, Field, Glob, Name};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyList, PyString};

use crate::about::{Info, Status};
use crate::exceptions::{exception, usage};
use crate::lines::{Asked, Lines, Twice};
use crate::values::{Handed, secret, text, texts};
use crate::waiting;
use crate::watch::Watch;

/// The daemon's secrets, by name. `glassdome.connect()` makes one; use it with `with`, or close it.
///
/// Threads can share it: each call that runs has a connection of its own. A child after a fork has its own too.
#[pyclass(module = "glassdome", frozen)]
pub(crate) struct Vault {
    lines: Arc<Lines>,
}

/// Connects to the daemon: at `socket`, or where `GLASSDOME_SOCKET` and `XDG_RUNTIME_DIR` say.
///
/// `wait` is for how many seconds (0 to 600) a person is asked where no rule fits; a minute if nothing is said, or
/// what `GLASSDOME_WAIT` says. Values are asked for by the handle in `GLASSDOME_FD` if it is set and no socket is
/// named.
///
/// Raises NoDaemonError if none runs, UntrustedDaemonError if it is not this user's, UsageError for a `wait` out of
/// range.
#[pyfunction]
#[pyo3(signature = (socket=None, *, wait=None))]
pub(crate) fn connect(py: Python<'_>, socket: Option<PathBuf>, wait: Option<f64>) -> PyResult<Vault> {
    let wait = wait.map(|seconds| waiting::parse(py, seconds)).transpose()?;
    let lines = Arc::new(Lines::new(socket, wait));
    lines.reach(py)?;
    Ok(Vault { lines })
}

#[pymethods]
impl Vault {
    /// The vault behind the module's own functions: it connects when it is first asked.
    #[staticmethod]
    fn _of_module() -> Self {
        Self { lines: Arc::new(Lines::new(None, None)) }
    }

    /// The value of a secret, or of one of its fields, as text. Python cannot wipe a str: `get_bytes` can be.
    ///
    /// Raises NotFoundError, DeniedError, LockedError, NoDaemonError, ThrottledError; UsageError for a value that is
    /// not UTF-8.
    #[pyo3(signature = (name, *, field=None))]
    fn get<'py>(&self, py: Python<'py>, name: &str, field: Option<&str>) -> PyResult<Bound<'py, PyString>> {
        text(py, name, &self.value(py, name, field)?)
    }

    /// The value of a secret, or of one of its fields, up to 1 MiB, as a Secret: a buffer that is wiped by `with`,
    /// by `wipe()`, and when nobody uses it any more.
    ///
    /// Raises what `get` raises, for any bytes but those errors about UTF-8.
    #[pyo3(signature = (name, *, field=None))]
    fn get_bytes<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        field: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        secret(py, &self.value(py, name, field)?)
    }

    /// The values of many secrets as text, by name: all of them, or none and an error.
    ///
    /// Raises what `get` raises.
    fn get_many<'py>(&self, py: Python<'py>, names: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        if names.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("names is an iterable of names, and not one of them"));
        }
        let names: Vec<String> = names.try_iter()?.map(|name| name?.extract()).collect::<PyResult<_>>()?;
        let wanted = references(py, &names)?;
        let values = if wanted.is_empty() {
            Vec::new()
        } else {
            self.lines.ask(py, Asked::Values, Twice::Harmless, |connection| connection.get_many(&wanted))?
        };
        texts(py, &names, &values)
    }

    /// Stores a value, up to 1 MiB, as a secret's own or as one of its fields; the former version is kept. Gives the
    /// version that it became, counted from 1.
    ///
    /// `expires` (a datetime, or seconds since the epoch) is when it should be replaced: a reminder, no lock. With
    /// `new`, a name that exists is a ConflictError. Never asked twice: after UnreachableError it may have been
    /// stored.
    ///
    /// Raises DeniedError, LockedError, NoDaemonError, ThrottledError, StorageError; UsageError for what is too long
    /// or a time that has passed.
    #[pyo3(signature = (name, value, *, field=None, expires=None, new=false))]
    fn set(
        &self,
        py: Python<'_>,
        name: &str,
        value: &Bound<'_, PyAny>,
        field: Option<&str>,
        expires: Option<&Bound<'_, PyAny>>,
        new: bool,
    ) -> PyResult<u64> {
        let (name, field) = named(py, name, field)?;
        let expires = expires.map(expiry).transpose()?;
        let expect = if new { Expect::New } else { Expect::Any };
        let handed = Handed::take(value)?;
        let value = handed.bytes(py)?;
        self.lines.ask(py, Asked::Other, Twice::Never, |connection| {
            let (name, field) = (name.clone(), field.clone());
            connection.set(Upload { name, field, expires, expect, canary: false, value })
        })
    }

    /// Takes a secret away; its last versions are kept, and `ctl restore` brings them back.
    ///
    /// Raises NotFoundError, DeniedError, LockedError, NoDaemonError.
    fn delete(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let (name, _) = named(py, name, None)?;
        self.lines.ask(py, Asked::Other, Twice::Never, |connection| connection.remove(name.clone(), false))
    }

    /// The names that match, sorted, of those that this program may list. `*` stands for anything in a segment, `**`
    /// for segments.
    ///
    /// Raises DeniedError, LockedError, NoDaemonError; UsageError for what is no glob.
    #[pyo3(signature = (glob="**"))]
    fn list<'py>(&self, py: Python<'py>, glob: &str) -> PyResult<Bound<'py, PyList>> {
        let glob = Glob::parse(glob).map_err(|error| exception(py, &error.into()))?;
        let entries =
            self.lines.ask(py, Asked::Other, Twice::Harmless, |connection| connection.list(Some(&glob)))?;
        PyList::new(py, entries.iter().map(|entry| &*entry.name))
    }

    /// Everything about a secret but its value.
    ///
    /// Raises NotFoundError, DeniedError, LockedError, NoDaemonError.
    fn info(&self, py: Python<'_>, name: &str) -> PyResult<Info> {
        let (name, _) = named(py, name, None)?;
        self.lines.ask(py, Asked::Other, Twice::Harmless, |connection| {
            Ok(Info::new(&connection.info(name.clone())?))
        })
    }

    /// The daemon's state. Needs no session.
    ///
    /// Raises NoDaemonError.
    fn status(&self, py: Python<'_>) -> PyResult<Status> {
        self.lines.ask(py, Asked::Other, Twice::Harmless, |connection| Ok(Status::new(&connection.status()?)))
    }

    /// Locks: the key is wiped from the daemon's memory before this returns. Needs no session.
    ///
    /// Raises NoDaemonError.
    fn lock(&self, py: Python<'_>) -> PyResult<()> {
        self.lines.ask(py, Asked::Other, Twice::Never, |connection| connection.lock())
    }

    /// The daemon's state, now and whenever the session begins, is renewed, is about to end, or ends: an iterator
    /// that waits. Needs no session.
    ///
    /// Raises NoDaemonError, and from the iterator UnreachableError when the daemon ends.
    fn watch(&self, py: Python<'_>) -> PyResult<Watch> {
        Watch::new(py, Arc::clone(&self.lines))
    }

    /// Closes the connections. What is asked after that is a UsageError.
    fn close(&self, py: Python<'_>) {
        self.lines.close(py);
    }

    /// The names, as `list()` gives them: with this, `dict(vault)` has all values.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.list(py, "**")
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyString>> {
        self.get(py, name, None)
    }

    fn __setitem__(&self, py: Python<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.set(py, name, value, None, None, false).map(drop)
    }

    fn __delitem__(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.delete(py, name)
    }

    fn __contains__(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        let (name, _) = named(py, name, None)?;
        self.lines.ask(py, Asked::Other, Twice::Harmless, |connection| match connection.info(name.clone()) {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(Code::NotFound) => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.keys(py)?.try_iter()
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.keys(py)?.len())
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.close(py);
    }
}

impl Vault {
    fn value(&self, py: Python<'_>, name: &str, field: Option<&str>) -> PyResult<Value> {
        let (name, field) = named(py, name, field)?;
        self.lines
            .ask(py, Asked::Values, Twice::Harmless, |connection| connection.get(name.clone(), field.clone()))
    }
}

pub(crate) fn named(
    py: Python<'_>,
    name: &str,
    field: Option<&str>,
) -> PyResult<(Name<'static>, Option<Field<'static>>)> {
    let parsed = || -> Result<_, Error> { Ok((Name::typed(name)?, field.map(Field::typed).transpose()?)) };
    parsed().map_err(|error| exception(py, &error))
}

/// Of many names, none of whose fields is asked for.
pub(crate) fn references(py: Python<'_>, names: &[String]) -> PyResult<Vec<Reference>> {
    names.iter().map(|name| Ok(Reference { name: named(py, name, None)?.0, field: None })).collect()
}

/// A time to come, in seconds since the epoch.
pub(crate) fn expiry(at: &Bound<'_, PyAny>) -> PyResult<u64> {
    let py = at.py();
    let refused = || usage(py, "expires is a time to come: a datetime, or seconds since the epoch");
    let seconds: PyResult<i64> = match at.getattr_opt("timestamp")? {
        // Parts of a second are dropped, as int() does.
        Some(timestamp) => {
            timestamp.call0().and_then(|at| at.call_method0("__int__")).and_then(|at| at.extract())
        }
        None => at.extract(),
    };
    // A calendar that ends before, or no number at all.
    let beyond = |error: PyErr| match error {
        _ if error.is_instance_of::<PyOverflowError>(py) || error.is_instance_of::<PyValueError>(py) => {
            refused()
        }
        other => other,
    };
    let seconds = seconds.map_err(beyond)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match u64::try_from(seconds) {
        Ok(seconds) if seconds > now => Ok(seconds),
        _ => Err(refused()),
    }
}
