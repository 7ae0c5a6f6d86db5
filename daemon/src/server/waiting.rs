//! Requests that wait for a person: beside those that are under way, and in nobody's way. One that may go on
//! is judged anew.

use std::rc::Rc;
use std::time::Duration;

use glassdome_proto::Outcome;

use super::connection::Connection;
use super::wire::Ended;
use crate::ops::{self, Asking, Pending, Then, Work};
use crate::policy::Clearance;
use crate::refuse;

impl Connection {
    /// Does `pending` when a person has said yes, unless a lock comes or the peer goes. What waits for a
    /// person holds nothing that others need: it has room of its own, and where that is taken it is
    /// sent away at once, for a while.
    pub(super) async fn ask(self: &Rc<Self>, id: u32, pending: Pending) -> Result<(), Ended> {
        match ops::answered(&self.asking, &pending) {
            Some(Ok(cleared)) => return self.go_on(id, pending.then, Some(cleared)).await,
            Some(Err(refusal)) => return self.finish(id, Err(refusal)).await,
            None => {}
        }
        let Some(place) = self.shared.waiting.take(ops::whoever_asks(&self.asking)) else {
            let refusal = ops::crowded(&self.asking, &pending).unwrap_or_else(|unlogged| unlogged);
            return self.finish(id, Err(refusal)).await;
        };
        let connection = self.clone();
        let (mut locks, mut over) = (self.asking.state.locks(), self.over.subscribe());
        tokio::task::spawn_local(async move {
            let tell = async |question, left: Duration| {
                let left_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
                // Whoever cannot be told is gone, and its request with it.
                connection.reply(id, Outcome::Asked { question, left_ms }).await.ok();
            };
            let cleared = tokio::select! {
                biased;
                _ = locks.changed() => Err(refuse::lock_came()),
                _ = over.wait_for(|over| *over) => Err(refuse::gone(connection.peer().evidence().kernel.pid)),
                cleared = ops::wait(&connection.asking, &pending, tell) => cleared,
            };
            drop(place);
            let went_on = match cleared {
                Ok(cleared) => connection.go_on(id, pending.then, cleared).await,
                Err(refusal) => connection.finish(id, Err(refusal)).await,
            };
            if let Err(ended) = went_on {
                connection.end(&ended);
            }
        });
        Ok(())
    }

    /// Has a request judged anew, and waits for nobody any more.
    async fn go_on(self: &Rc<Self>, id: u32, then: Then, cleared: Option<Clearance>) -> Result<(), Ended> {
        let asking = Asking { cleared, wait: Duration::ZERO, ..self.asking.clone() };
        match then(&asking) {
            Ok(Work::Now(done)) => self.answer(id, done).await,
            Ok(Work::Later(work)) => {
                self.spawn(id, work);
                Ok(())
            }
            Ok(Work::ToEnd(work)) => {
                self.spawn_to_end(id, work);
                Ok(())
            }
            Ok(Work::Ask(_) | Work::Upload(_) | Work::Watch) => {
                self.finish(id, Err(refuse::late_change())).await
            }
            Err(refusal) => self.finish(id, Err(refusal)).await,
        }
    }
}
