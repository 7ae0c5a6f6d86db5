//! The test of the vault and the audit log that is under way: there is one at a time, and whoever asks for one meanwhile
//! waits for that. It ends with the last who waits for it.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use glassdome_proto::storage::{Answer, TestStage, Tested};
use glassdome_proto::{Answer as Any, Refusal};
use glassdome_vault::LastTest;
use tokio::sync::watch;

/// What a test came to.
pub type Outcome = Result<Tested<'static>, Refusal<'static>>;

/// A test.
#[derive(Debug)]
pub struct Running {
    stage: Cell<TestStage>,
    done: RefCell<Arc<AtomicU64>>,
    total: Cell<u64>,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Running {
    /// It is at `stage` now, of which there is `total`. What it gives counts how much of that is done.
    pub fn at(&self, stage: TestStage, total: u64) -> Arc<AtomicU64> {
        self.stage.set(stage);
        self.total.set(total);
        let done = Arc::default();
        self.done.replace(Arc::clone(&done));
        done
    }

    /// It is over.
    pub fn end(&self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
    }

    /// What it came to, when it is over.
    pub async fn outcome(&self) -> Outcome {
        let mut outcome = self.outcome.subscribe();
        let over = outcome.wait_for(Option::is_some).await;
        over.ok().and_then(|outcome| outcome.clone()).unwrap_or_else(|| unreachable!("it is sent by `self`"))
    }

    /// How far it is, as it is answered.
    pub fn progress(&self) -> Any<'static> {
        let total = self.total.get();
        let done = self.done.borrow().load(Ordering::Relaxed).min(total);
        Any::Storage(Answer::Testing { stage: self.stage.get(), done, total })
    }

    /// Whether anybody beside the test itself, who has `self`, waits for it.
    pub fn is_awaited(self: &Rc<Self>) -> bool {
        Rc::strong_count(self) > 1
    }
}

/// Where a connection keeps the one that it waits for.
pub type Place = Rc<RefCell<Option<Rc<Running>>>>;

/// The one under way, and what the last came to.
#[derive(Debug, Default)]
pub struct StorageTests {
    under_way: RefCell<Weak<Running>>,
    last: Cell<Option<LastTest>>,
}

impl StorageTests {
    /// The one that is under way.
    pub fn under_way(&self) -> Option<Rc<Running>> {
        self.under_way.borrow().upgrade().filter(|running| running.outcome.borrow().is_none())
    }

    /// One begins.
    pub fn begin(&self) -> Rc<Running> {
        let running = Rc::new(Running {
            stage: Cell::new(TestStage::Pages),
            done: RefCell::default(),
            total: Cell::default(),
            outcome: watch::Sender::new(None),
        });
        self.under_way.replace(Rc::downgrade(&running));
        running
    }

    /// What the last one of this run came to.
    pub fn last(&self) -> Option<LastTest> {
        self.last.get()
    }

    /// One came to its end.
    pub fn ended(&self, test: LastTest) {
        self.last.set(Some(test));
    }
}

#[cfg(test)]
mod tests {
    use glassdome_proto::Code;

    use super::*;

    #[tokio::test]
    async fn there_is_one_at_a_time_and_it_knows_whether_anybody_waits() {
        let tests = StorageTests::default();
        assert!(tests.under_way().is_none());
        let test = tests.begin();
        assert!(!test.is_awaited());
        let waits = tests.under_way().unwrap();
        assert!(Rc::ptr_eq(&test, &waits) && test.is_awaited());
        let done = test.at(TestStage::Rows, 10);
        done.store(11, Ordering::Relaxed);
        let Any::Storage(progress) = waits.progress() else { panic!("not of the storage") };
        assert!(matches!(progress, Answer::Testing { stage: TestStage::Rows, done: 10, total: 10 }));
        test.end(Err(Refusal::new(Code::Locked, "locked")));
        assert_eq!(waits.outcome().await.unwrap_err().code, Code::Locked);
        // Another one can begin, though somebody has not heard of the end of this.
        assert!(tests.under_way().is_none());
        drop((test, waits));
        assert!(tests.under_way().is_none());
    }
}
