//! The daemon's states one after the other, as an iterator: on a connection of its own, since that is good for
//! nothing else from then on.

use std::sync::{Arc, Mutex, PoisonError};

use glassdome_client::{Error, Watching};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rustix::process::{Pid, getpid};

use crate::about::Status;
use crate::exceptions::exception;
use crate::lines::Lines;
use crate::signals;

/// The daemon's state, now and whenever the session begins, is renewed, is about to end (five minutes left), or
/// ends. Waits in `next()`; it goes on until the daemon ends, which raises UnreachableError, or it is closed.
#[pyclass(module = "glassdome", frozen)]
pub(crate) struct Watch {
    lines: Arc<Lines>,
    /// Touched only with the interpreter's lock, as what the lines keep.
    state: Mutex<State>,
}

enum State {
    /// Between two states of the daemon.
    Idle(Box<Open>),
    /// A thread waits for the next one.
    Waited,
    /// It was closed, or failed.
    Over,
}

struct Open {
    process: Pid,
    watching: Watching,
}

impl Watch {
    pub(crate) fn new(py: Python<'_>, lines: Arc<Lines>) -> PyResult<Self> {
        let open = Open::new(py, &lines)?;
        Ok(Self { lines, state: Mutex::new(State::Idle(Box::new(open))) })
    }

    fn replace(&self, state: State) -> State {
        std::mem::replace(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), state)
    }
}

#[pymethods]
impl Watch {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Status>> {
        let mut open = match self.replace(State::Waited) {
            State::Idle(open) => open,
            State::Waited => return Err(PyRuntimeError::new_err("another thread waits for the next state")),
            State::Over => {
                self.replace(State::Over);
                return Ok(None);
            }
        };
        let told = loop {
            if open.process != getpid() {
                // The parent's: what this process has of it is closed, and a connection of its own opened.
                *open = Open::new(py, &self.lines).inspect_err(|_| self.close())?;
            }
            signals::forget();
            let told = py.detach(|| Ok::<_, Error>(Status::new(&open.watching.next()?)));
            if let Some(raised) = signals::take() {
                self.close();
                return Err(raised);
            }
            // Else a handler forked in the middle of it, and this is the child.
            if open.process == getpid() {
                break told;
            }
        };
        let closed = matches!(self.replace(State::Over), State::Over);
        match told {
            _ if closed => Ok(None),
            Ok(status) => {
                self.replace(State::Idle(open));
                Ok(Some(status))
            }
            Err(error) => Err(exception(py, &error)),
        }
    }

    /// Ends it: what iterates over it comes to its end, at the next state if it waits for one.
    fn close(&self) {
        self.replace(State::Over);
    }

    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.close();
    }
}

impl Open {
    fn new(py: Python<'_>, lines: &Lines) -> PyResult<Self> {
        loop {
            let process = getpid();
            signals::forget();
            let connection = lines.own(py)?;
            let watching = py.detach(|| connection.into_watching());
            if let Some(raised) = signals::take() {
                return Err(raised);
            }
            if process == getpid() {
                return Ok(Self { process, watching: watching.map_err(|error| exception(py, &error))? });
            }
        }
    }
}
