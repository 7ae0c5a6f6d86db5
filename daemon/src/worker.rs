//! One thread for what waits for a disk, so that the event loop never does. Jobs run one after the
//! other; none of them is ever given a key.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The thread is gone, or the job panicked: what it would have answered is unknown.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a storage job did not end")]
pub struct Lost;

/// The thread.
#[derive(Debug, Clone)]
pub struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// Starts it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(name: &str) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            for job in queue {
                // A job reports its own panic by never answering; the thread goes on.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        })?;
        Ok(Self { jobs })
    }

    /// Runs `job` after those before it, and gives its answer.
    ///
    /// # Errors
    /// [`Lost`] if it panicked.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Lost> {
        let (answer, answered) = oneshot::channel();
        // Nobody may be left to hear the answer: a request can be dropped while its job runs.
        self.jobs.send(Box::new(move || drop(answer.send(job())))).map_err(|_| Lost)?;
        answered.await.map_err(|_| Lost)
    }

    /// Has `job` run after those before it. Whether it was is not told.
    pub fn later(&self, job: impl FnOnce() + Send + 'static) {
        // Without the thread it is dropped here, with all that it has.
        let _ = self.jobs.send(Box::new(job));
    }
}

/// Runs `job` on a thread of its own that ends with it: for key derivation, whose stack and memory
/// must not linger.
///
/// # Errors
/// [`Lost`] if no thread could be had, or the job panicked.
pub async fn once<T: Send + 'static>(
    name: &str,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Lost> {
    let (answer, answered) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || drop(answer.send(job()))).map_err(|_| Lost)?;
    answered.await.map_err(|_| Lost)
}
