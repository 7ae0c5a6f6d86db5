//! The class `Channel`: a connection that never waits, which `glassdome.aio` watches in its event loop. It belongs to
//! one loop, and everything here is done while holding the interpreter's lock, since nothing of it takes time.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use glassdome_client::{Error, Evented, Opening, SocketPath, Telling, Told, Upload};
use glassdome_proto::Glob;
use glassdome_proto::secrets::Expect;
use pyo3::exceptions::{PyException, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyList;
use zeroize::Zeroizing;

use crate::about::{Info, Status};
use crate::exceptions::{exception, usage};
use crate::lines::{guest, handle_taken_away};
use crate::signals;
use crate::values::{Handed, secret, text, texts};
use crate::vault::{expiry, named, references};
use crate::waiting;

/// A connection that never waits. Numbers name what was asked for; `send` and `receive` append to `told` what came of
/// it: (number, whether it was done, what came of it or the exception).
#[pyclass(module = "glassdome._native", frozen)]
pub(crate) struct Channel(Mutex<Inner>);

struct Inner {
    state: State,
    /// How what comes is made into something of Python's.
    wanted: HashMap<u32, Wanted>,
}

enum State {
    Opening(Box<Opening>),
    Open(Box<Evented>),
    Closed,
}

enum Wanted {
    Text {
        name: String,
    },
    Secret,
    Texts {
        names: Vec<String>,
    },
    /// It is told again and again.
    Watched,
    Other,
}

#[pymethods]
impl Channel {
    /// Begins to connect: by the handle in `GLASSDOME_FD`, or at the socket; None if there is no room in the socket's
    /// queue now.
    #[staticmethod]
    fn begin(
        py: Python<'_>,
        socket: Option<PathBuf>,
        wait: Option<f64>,
        by_handle: bool,
    ) -> PyResult<Option<Self>> {
        let wait = wait.map(|seconds| waiting::parse(py, seconds)).transpose()?;
        let begin = || -> Result<_, Error> {
            let guest = guest(wait)?;
            match (&socket, by_handle) {
                (Some(socket), _) => guest.begin(socket),
                (None, false) => guest.begin(&SocketPath::find()?.path),
                (None, true) => Ok(Some(guest.begin_by_handle()?.ok_or_else(handle_taken_away)?)),
            }
        };
        let opening = begin().map_err(|error| exception(py, &error))?;
        let inner = |opening| Inner { state: State::Opening(Box::new(opening)), wanted: HashMap::new() };
        Ok(opening.map(|opening| Self(Mutex::new(inner(opening)))))
    }

    /// Where it is waited for: another number once the daemon has greeted; -1 once it was closed.
    fn fileno(&self) -> PyResult<RawFd> {
        Ok(match &self.inner()?.state {
            State::Opening(opening) => opening.descriptor().map_or(-1, |descriptor| descriptor.as_raw_fd()),
            State::Open(evented) => evented.as_fd().as_raw_fd(),
            State::Closed => -1,
        })
    }

    /// Goes on connecting when there is something to be read; whether the daemon has greeted.
    fn advance(&self, py: Python<'_>) -> PyResult<bool> {
        let mut inner = self.inner()?;
        let State::Opening(opening) = &mut inner.state else { return Ok(true) };
        let Some(evented) = opening.advance().map_err(|error| exception(py, &error))? else {
            return Ok(false);
        };
        inner.state = State::Open(Box::new(evented));
        Ok(true)
    }

    fn get(&self, py: Python<'_>, name: &str, field: Option<&str>, as_text: bool) -> PyResult<u32> {
        let (parsed, field) = named(py, name, field)?;
        let wanted = if as_text { Wanted::Text { name: name.to_owned() } } else { Wanted::Secret };
        self.start(py, wanted, |evented| evented.get(parsed, field))
    }

    fn get_many(&self, py: Python<'_>, names: Vec<String>) -> PyResult<u32> {
        let wanted = references(py, &names)?;
        self.start(py, Wanted::Texts { names }, |evented| evented.get_many(wanted))
    }

    fn set(
        &self,
        py: Python<'_>,
        name: &str,
        value: &Bound<'_, PyAny>,
        field: Option<&str>,
        expires: Option<&Bound<'_, PyAny>>,
        new: bool,
    ) -> PyResult<u32> {
        let (name, field) = named(py, name, field)?;
        let expires = expires.map(expiry).transpose()?;
        let expect = if new { Expect::New } else { Expect::Any };
        let bytes = Zeroizing::new(Handed::take(value)?.bytes(py)?.to_vec());
        let upload = Upload { name, field, expires, expect, canary: false, value: &[] };
        self.start(py, Wanted::Other, |evented| evented.set(upload, bytes))
    }

    fn delete(&self, py: Python<'_>, name: &str) -> PyResult<u32> {
        let (name, _) = named(py, name, None)?;
        self.start(py, Wanted::Other, |evented| evented.remove(name, false))
    }

    fn list(&self, py: Python<'_>, glob: &str) -> PyResult<u32> {
        let glob = Glob::parse(glob).map_err(|error| exception(py, &error.into()))?;
        self.start(py, Wanted::Other, |evented| evented.list(Some(glob)))
    }

    fn info(&self, py: Python<'_>, name: &str) -> PyResult<u32> {
        let (name, _) = named(py, name, None)?;
        self.start(py, Wanted::Other, |evented| evented.info(name))
    }

    fn status(&self, py: Python<'_>) -> PyResult<u32> {
        self.start(py, Wanted::Other, Evented::status)
    }

    fn watch(&self, py: Python<'_>) -> PyResult<u32> {
        self.start(py, Wanted::Watched, Evented::watch)
    }

    fn lock(&self, py: Python<'_>) -> PyResult<u32> {
        self.start(py, Wanted::Other, Evented::lock)
    }

    /// Sends what there is room for; whether more is to be sent when there is room again.
    fn send(&self, py: Python<'_>, told: &Bound<'_, PyList>) -> PyResult<bool> {
        self.exchange(py, told, Evented::send)
    }

    /// Receives what is there. Raises what ended the connection.
    fn receive(&self, py: Python<'_>, told: &Bound<'_, PyList>) -> PyResult<()> {
        self.exchange(py, told, Evented::receive)
    }

    /// Nobody waits for it any more.
    fn forget(&self, number: u32) -> PyResult<()> {
        let mut inner = self.inner()?;
        inner.wanted.remove(&number);
        if let State::Open(evented) = &mut inner.state {
            evented.forget(number);
        }
        Ok(())
    }

    /// Whether a person is asked for nobody: what it is about was forgotten.
    fn asks_for_nobody(&self) -> PyResult<bool> {
        Ok(matches!(&self.inner()?.state, State::Open(evented) if evented.asks_for_nobody()))
    }

    /// Appends to `told` what the daemon did not answer in time.
    fn overdue(&self, py: Python<'_>, told: &Bound<'_, PyList>) -> PyResult<()> {
        let mut inner = self.inner()?;
        let State::Open(evented) = &mut inner.state else { return Ok(()) };
        for number in evented.overdue(Instant::now()) {
            inner.wanted.remove(&number);
            told.append((number, false, exception(py, &Error::TimedOut)))?;
        }
        Ok(())
    }

    /// Whether the daemon has not hung up, as far as is known here.
    fn is_open(&self) -> PyResult<bool> {
        Ok(matches!(&self.inner()?.state, State::Open(evented) if evented.is_open()))
    }

    /// Closes it, and wipes what it holds.
    fn close(&self) -> PyResult<()> {
        let mut inner = self.inner()?;
        inner.state = State::Closed;
        inner.wanted.clear();
        Ok(())
    }

    /// What a connection that does not open in time fails with.
    #[staticmethod]
    fn timed_out(py: Python<'_>) -> PyErr {
        exception(py, &Error::TimedOut)
    }
}

impl Channel {
    /// It is in use only while one of its methods runs; what one of those calls may not call another.
    fn inner(&self) -> PyResult<MutexGuard<'_, Inner>> {
        self.0
            .try_lock()
            .map_err(|_| PyRuntimeError::new_err("this connection belongs to another event loop"))
    }

    fn start(
        &self,
        py: Python<'_>,
        wanted: Wanted,
        start: impl FnOnce(&mut Evented) -> u32,
    ) -> PyResult<u32> {
        let mut inner = self.inner()?;
        let State::Open(evented) = &mut inner.state else { return Err(exception(py, &Error::Closed)) };
        let number = start(evented);
        inner.wanted.insert(number, wanted);
        Ok(number)
    }

    fn exchange<T>(
        &self,
        py: Python<'_>,
        told: &Bound<'_, PyList>,
        act: impl FnOnce(&mut Evented, &mut Vec<Telling>) -> Result<T, Error>,
    ) -> PyResult<T> {
        let mut tellings = Vec::new();
        let mut inner = self.inner()?;
        let State::Open(evented) = &mut inner.state else { return Err(exception(py, &Error::Closed)) };
        let acted = act(evented, &mut tellings);
        for (number, outcome) in tellings {
            let wanted = match inner.wanted.get(&number) {
                Some(Wanted::Watched) if outcome.is_ok() => Some(Wanted::Watched),
                _ => inner.wanted.remove(&number),
            };
            let Some(wanted) = wanted else { continue };
            match outcome.map_err(|error| exception(py, &error)).and_then(|told| made(py, &wanted, &told)) {
                Ok(made) => told.append((number, true, made))?,
                Err(error) => told.append((number, false, error))?,
            }
        }
        match signals::take() {
            // Of the logger that was told of a question: what comes of it is no request's.
            Some(raised) if raised.is_instance_of::<PyException>(py) => raised.write_unraisable(py, None),
            // Ctrl-C, in the middle of that.
            Some(raised) => return Err(raised),
            None => {}
        }
        acted.map_err(|error| exception(py, &error))
    }
}

/// Something of Python's, of what came.
fn made<'py>(py: Python<'py>, wanted: &Wanted, told: &Told) -> PyResult<Bound<'py, PyAny>> {
    match (told, wanted) {
        (Told::Value(value), Wanted::Text { name }) => Ok(text(py, name, value)?.into_any()),
        (Told::Value(value), _) => secret(py, value),
        (Told::Values(values), Wanted::Texts { names }) => Ok(texts(py, names, values)?.into_any()),
        (Told::Values(_), _) => Err(usage(py, "nothing was asked that this answers")),
        (Told::Stored(version), _) => Ok(version.into_pyobject(py)?.into_any()),
        (Told::Names(entries), _) => {
            Ok(PyList::new(py, entries.iter().map(|entry| &*entry.name))?.into_any())
        }
        (Told::Info(about), _) => Ok(Bound::new(py, Info::new(about))?.into_any()),
        (Told::Status(status), _) => Ok(Bound::new(py, Status::new(status))?.into_any()),
        (Told::Done, _) => Ok(py.None().into_bound(py)),
    }
}
