//! The connections of a vault: as many as there are calls at one time, kept for the next call.
//!
//! A call takes a connection out, and has it for itself: threads never wait for each other, and a signal handler
//! or a finalizer that calls in the middle of a call gets another one. The list is touched only by whoever holds
//! the interpreter's lock, which is also what a `fork` of Python's holds: a child finds it whole, and lets go of
//! what is in it. If a signal handler forks in the middle of a call, the child lets go of that connection too, and
//! asks over one of its own.

use std::env;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use glassdome_client::{Connection, Error, Guest, HANDLE, SocketPath, Wait};
use pyo3::prelude::*;
use rustix::process::{Pid, getpid};

use crate::exceptions::{exception, of_parent, usage};
use crate::signals::{self, interruption};
use crate::waiting;

/// Idle connections that are kept; of more, each is closed when its call is done.
const KEPT: usize = 8;

/// What is asked for, as far as it decides on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Values: by the handle, if this process was started with one.
    Values,
    /// Anything else.
    Other,
}

/// Whether what is asked may be asked twice, if the daemon hung up on the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twice {
    /// It changes nothing.
    Harmless,
    /// It may have been done.
    Never,
}

/// Where a vault's connections lead, and those that are idle.
pub(crate) struct Lines {
    /// The daemon's socket, if it was named.
    socket: Option<PathBuf>,
    /// For how long a person is waited for; what the environment says if nothing was said.
    wait: Option<Wait>,
    idle: Mutex<Idle>,
}

struct Idle {
    /// Whose they are.
    process: Pid,
    closed: bool,
    by_socket: Vec<Connection>,
    by_handle: Vec<Connection>,
}

impl Idle {
    fn of(&mut self, by_handle: bool) -> &mut Vec<Connection> {
        if by_handle { &mut self.by_handle } else { &mut self.by_socket }
    }
}

impl Lines {
    pub(crate) fn new(socket: Option<PathBuf>, wait: Option<Wait>) -> Self {
        let idle = Idle { process: getpid(), closed: false, by_socket: Vec::new(), by_handle: Vec::new() };
        Self { socket, wait, idle: Mutex::new(idle) }
    }

    /// Asks by `work`, without the interpreter's lock.
    ///
    /// # Errors
    /// The exception for what `work` failed with, or what a signal handler raised; in a child that was forked in the
    /// middle of it, that the parent is told what came of it, if that must not be asked twice.
    pub(crate) fn ask<T: Send>(
        &self,
        py: Python<'_>,
        asked: Asked,
        twice: Twice,
        work: impl Fn(&mut Connection) -> Result<T, Error> + Send + Sync,
    ) -> PyResult<T> {
        let by_handle = asked == Asked::Values && self.socket.is_none() && env::var_os(HANDLE).is_some();
        loop {
            let process = getpid();
            signals::forget();
            let kept = self.idle(py)?.of(by_handle).pop();
            let (answer, line) = py.detach(|| self.over(kept, by_handle, twice, &work));
            let raised = signals::take();
            if let (Ok(_) | Err(Error::Refused { .. }), Some(line)) = (&answer, line) {
                self.keep(py, process, by_handle, line);
            }
            if let Some(raised) = raised {
                return Err(raised);
            }
            if getpid() == process {
                return answer.map_err(|error| exception(py, &error));
            }
            if twice == Twice::Never {
                return Err(of_parent(py));
            }
        }
    }

    /// Does `work` over the connection that was kept, or a new one; gives that, if it is open.
    fn over<T>(
        &self,
        kept: Option<Connection>,
        by_handle: bool,
        twice: Twice,
        work: impl Fn(&mut Connection) -> Result<T, Error>,
    ) -> (Result<T, Error>, Option<Connection>) {
        // A daemon that ended, or that was started anew: nothing was said to it yet.
        let (mut line, kept) = match kept.filter(|line| line.is_open()) {
            Some(line) => (line, true),
            None => match self.open(by_handle) {
                Ok(line) => (line, false),
                Err(error) => return (Err(error), None),
            },
        };
        let mut answer = work(&mut line);
        if kept && twice == Twice::Harmless && matches!(answer, Err(Error::Closed)) {
            match self.open(by_handle) {
                Ok(anew) => line = anew,
                Err(error) => return (Err(error), None),
            }
            answer = work(&mut line);
        }
        (answer, Some(line))
    }

    /// A connection of the caller's own, to the socket.
    ///
    /// # Errors
    /// As [`Lines::ask`].
    pub(crate) fn own(&self, py: Python<'_>) -> PyResult<Connection> {
        drop(self.idle(py)?);
        py.detach(|| self.open(false)).map_err(|error| exception(py, &error))
    }

    /// Sees whether the daemon can be reached.
    ///
    /// # Errors
    /// As [`Lines::ask`].
    pub(crate) fn reach(&self, py: Python<'_>) -> PyResult<()> {
        self.ask(py, Asked::Values, Twice::Harmless, |_| Ok(()))
    }

    /// Closes all that are idle; nothing can be asked from then on.
    pub(crate) fn close(&self, py: Python<'_>) {
        let mut idle = self.locked(py);
        idle.closed = true;
        idle.by_socket.clear();
        idle.by_handle.clear();
    }

    fn idle<'a>(&'a self, py: Python<'a>) -> PyResult<MutexGuard<'a, Idle>> {
        let idle = self.locked(py);
        if idle.closed { Err(usage(py, "this vault was closed: connect again")) } else { Ok(idle) }
    }

    /// The list, without what a parent had in it: to drop that closes this process's copies, which the daemon
    /// does not notice. Whoever calls holds the interpreter's lock, so nobody is ever waited for here.
    fn locked<'a>(&'a self, _: Python<'a>) -> MutexGuard<'a, Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let process = getpid();
        if idle.process != process {
            idle.process = process;
            idle.by_socket.clear();
            idle.by_handle.clear();
        }
        idle
    }

    /// Keeps a connection of `process`; a parent's is dropped, which closes this process's copy of it.
    fn keep(&self, py: Python<'_>, process: Pid, by_handle: bool, line: Connection) {
        let mut idle = self.locked(py);
        if idle.process == process && !idle.closed && idle.of(by_handle).len() < KEPT {
            idle.of(by_handle).push(line);
        }
    }

    fn open(&self, by_handle: bool) -> Result<Connection, Error> {
        let guest = guest(self.wait)?;
        let mut connection = match (&self.socket, by_handle) {
            (Some(socket), _) => guest.connect(socket)?,
            (None, false) => guest.connect(&SocketPath::find()?.path)?,
            (None, true) => guest.connect_by_handle()?.ok_or_else(handle_taken_away)?,
        };
        connection.interrupt_by(interruption(getpid()));
        Ok(connection)
    }
}

/// This program, as it opens connections; without a `wait`, a person is waited for as the environment says.
///
/// # Errors
/// [`Error::Usage`] of `GLASSDOME_WAIT`.
pub(crate) fn guest(wait: Option<Wait>) -> Result<Guest<'static>, Error> {
    let wait = match wait {
        Some(wait) => wait,
        None => Wait { at_most: Wait::usual()?, told: waiting::tell },
    };
    Ok(Guest { client: "glassdome-python", version: env!("CARGO_PKG_VERSION"), wait })
}

/// The handle was named when it was decided to ask by it, and is not any more: there is no other way then.
pub(crate) fn handle_taken_away() -> Error {
    Error::Usage(format!("{HANDLE} was taken out of the environment meanwhile"))
}
