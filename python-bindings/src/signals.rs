//! Ctrl-C while the daemon is waited for: a handler of Python's runs, and if it raises, the wait is broken off
//! with what it raised. If it forks, the wait is broken off in the child: what is waited for is its parent's.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::time::Duration;

use glassdome_client::Interruption;
use pyo3::prelude::*;
use rustix::process::{Pid, getpid};

/// How often signals are looked for while nothing happens. One that comes in the wait itself ends it at once; this
/// is for one that came just before.
const EVERY: Duration = Duration::from_millis(250);

thread_local! {
    /// What Python raised in this thread in the middle of a wait, where nothing can be raised.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Keeps what was raised for the end of the wait, which is soon.
pub(crate) fn keep(error: PyErr) {
    RAISED.with_borrow_mut(|raised| {
        raised.get_or_insert(error);
    });
}

/// Before a wait: what was raised where nobody could raise it is not about this one.
pub(crate) fn forget() {
    drop(take());
}

/// What was raised in the wait that is over: to be taken at its end, whatever came of it.
pub(crate) fn take() -> Option<PyErr> {
    RAISED.take()
}

/// Looks for signals, and breaks the wait off if something was raised, or in another process than `process`, whose
/// connection it is.
pub(crate) fn interruption(process: Pid) -> Interruption {
    let is_raised = || RAISED.with_borrow(Option::is_some);
    let look = move || {
        // Told of a person who is asked, it may have raised or forked: then no handler has its turn.
        if is_raised() || getpid() != process {
            return ControlFlow::Break(());
        }
        // The interpreter ends if there is none to attach to: nobody waits for the answer any more.
        let looked = Python::try_attach(|py| py.check_signals());
        let ends = looked.is_none();
        if let Some(Err(error)) = looked {
            keep(error);
        }
        if ends || is_raised() || getpid() != process {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    Interruption { every: EVERY, look: Box::new(look) }
}
