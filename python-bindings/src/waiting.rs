//! For how long a person is asked where no rule fits, and how whoever runs the program is told that one is.

use std::time::Duration;

use glassdome_client::Wait;
use glassdome_proto::limits;
use pyo3::prelude::*;

use crate::exceptions::usage;
use crate::signals;

/// What `connect(wait=…)` says: seconds, parts of one count as a whole one.
///
/// # Errors
/// `UsageError` for what is no such number.
pub(crate) fn parse(py: Python<'_>, seconds: f64) -> PyResult<Wait> {
    if !(0.0..=f64::from(limits::WAIT)).contains(&seconds) {
        return Err(usage(py, &format!("wait is a number of seconds from 0 to {}", limits::WAIT)));
    }
    Ok(Wait { at_most: Duration::from_secs_f64(seconds.ceil()), told: tell })
}

/// Says how to answer, as `ctl` does: by the logger `glassdome`, which writes to stderr where the program set up
/// nothing else.
pub(crate) fn tell(question: u32, left: Duration) {
    Python::try_attach(|py| {
        let told = py
            .import("logging")
            .and_then(|logging| logging.call_method1("getLogger", ("glassdome",)))
            .and_then(|logger| logger.call_method1("warning", (Wait::line(question, left),)));
        if let Err(error) = told {
            // Ctrl-C, most likely.
            signals::keep(error);
        }
    });
}
