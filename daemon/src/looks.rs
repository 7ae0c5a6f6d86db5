//! Looks at files and processes that may take long, or never end: at whatever a peer runs, on whatever
//! file system. They run on threads of their own, of which there are only so many. A look that hangs
//! keeps its place, so that nobody can hang them all one after the other and have ever new ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use glassdome_proto::Refusal;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use crate::refuse;
use crate::worker::Lost;

/// How long a look may take, the wait for a place included.
const LOOK: Duration = Duration::from_secs(5);

/// Room for a number of looks at one time.
#[derive(Debug)]
pub struct Looks {
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Looks {
    /// Room for `places` looks.
    pub fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), patience: LOOK }
    }

    /// Runs a look, which is told until when it may take.
    ///
    /// # Errors
    /// The refusal to send, when too many are under way or it did not end in time.
    pub async fn run<T: Send + 'static>(
        &self,
        look: impl FnOnce(Instant) -> T + Send + 'static,
    ) -> Result<T, Refusal<'static>> {
        let until = Instant::now() + self.patience;
        let late = |_| {
            refuse::throttled("the program's files could not be looked at in time", Duration::from_secs(1))
        };
        let place = timeout_at(until.into(), self.places.clone().acquire_owned()).await.map_err(late)?;
        let place = place.map_err(|_| refuse::lost(Lost))?;
        let looking = tokio::task::spawn_blocking(move || {
            let seen = look(until);
            drop(place);
            seen
        });
        timeout_at(until.into(), looking).await.map_err(late)?.map_err(|_| refuse::lost(Lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_look_that_hangs_keeps_its_place() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (hang, end) = mpsc::channel::<()>();
        runtime.block_on(async {
            let mut looks = Looks::new(1);
            assert_eq!(looks.run(|_| 7).await.unwrap(), 7, "control");
            looks.patience = Duration::from_millis(20);
            let hung = looks.run(move |_| end.recv().is_err()).await;
            assert!(hung.unwrap_err().retry_after_ms.is_some());
            assert!(looks.run(|_| 7).await.is_err(), "its place is taken still");
            drop(hang);
            // It ends now, on its own thread.
            while looks.places.available_permits() == 0 {
                std::thread::yield_now();
            }
            looks.patience = LOOK;
            assert_eq!(looks.run(|_| 7).await.unwrap(), 7);
        });
    }
}
