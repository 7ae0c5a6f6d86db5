//! How many questions there are at a time, and how often whoever is refused may ask again.

use super::*;
use crate::attest::subject::tests::running;
use crate::policy::Action;
use std::process::Child;
use std::time::Instant;

const WAIT: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(1000 + seconds)
}

/// A program that waits to be ended.
struct Runs(Child);

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn cat() -> Runs {
    Runs(running("/bin/cat"))
}

/// An interpreter without a script: each process is an asker of its own.
fn bash() -> Runs {
    Runs(running("/bin/bash"))
}

fn draft(runs: &Runs, names: &[&str]) -> Draft {
    let until = Instant::now() + Duration::from_secs(10);
    let subject = Subject::look(runs.0.id().cast_signed(), false, until).unwrap();
    let shown = crate::ops::shown_process(&subject.member, subject.program.as_deref());
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let asked = Asked { action: Action::Get, names };
    let subject = Rc::new(subject);
    Draft { subject, asker: Rc::default(), shown, asked, deed: "get", rule: None }
}

fn reply(question: &Question) -> Option<Option<Reply>> {
    use std::task::{Context, Poll, Waker};
    let mut replied = Box::pin(question.replied());
    match replied.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reply) => Some(reply),
        Poll::Pending => None,
    }
}

#[test]
fn an_answer_reaches_who_asked() {
    let (questions, program) = (Questions::default(), cat());
    let first = questions.put(draft(&program, &["a"]), at(0), WAIT).unwrap();
    assert_eq!((first.left(at(1)), reply(&first)), (Duration::from_secs(59), None));
    // Nobody joins it, not even for the same.
    assert_eq!(questions.put(draft(&program, &["a"]), at(1), WAIT).unwrap_err(), Unasked::Another);
    assert_eq!(questions.answer(first.id, Reply::Yes, at(2)).unwrap().id, first.id);
    assert_eq!(reply(&first), Some(Some(Reply::Yes)));
    assert!(questions.answer(first.id, Reply::Yes, at(2)).is_none(), "it is answered once");
    assert!(questions.all().is_empty());
    questions.put(draft(&program, &["a"]), at(3), WAIT).unwrap();
}

#[test]
fn one_program_has_one_question() {
    let (questions, one, other) = (Questions::default(), cat(), cat());
    let first = questions.put(draft(&one, &["a"]), at(0), WAIT).unwrap();
    assert_eq!(questions.put(draft(&one, &["b"]), at(0), WAIT).unwrap_err(), Unasked::Another);
    assert_eq!(questions.put(draft(&other, &["a"]), at(0), WAIT).unwrap_err(), Unasked::Another);
    questions.leave(&first, at(1), false);
    questions.put(draft(&other, &["a"]), at(1), WAIT).unwrap();
}

#[test]
fn a_no_and_a_silence_give_rest_that_doubles() {
    let (questions, program) = (Questions::default(), cat());
    let mut now = 0;
    for (refusals, rest) in [30, 60, 120, 240, 480, 900, 900].into_iter().enumerate() {
        let question = questions.put(draft(&program, &["a"]), at(now), WAIT).unwrap();
        if refusals % 2 == 0 {
            questions.answer(question.id, Reply::No, at(now)).unwrap();
            assert_eq!(reply(&question), Some(Some(Reply::No)));
        } else {
            // The rest begins when the waiting ends.
            now += WAIT.as_secs();
            questions.leave(&question, at(now), true);
        }
        let again = questions.put(draft(&program, &["b"]), at(now), WAIT).unwrap_err();
        assert_eq!(again, Unasked::Rests(Duration::from_secs(rest)));
        now += rest;
    }
    let question = questions.put(draft(&program, &["a"]), at(now), WAIT).unwrap();
    questions.answer(question.id, Reply::Yes, at(now)).unwrap();
    let question = questions.put(draft(&program, &["a"]), at(now), WAIT).unwrap();
    questions.answer(question.id, Reply::No, at(now)).unwrap();
    let again = questions.put(draft(&program, &["a"]), at(now), WAIT).unwrap_err();
    assert_eq!(again, Unasked::Rests(REST), "a yes begins anew");
}

#[test]
fn whoever_goes_away_takes_the_question_along() {
    let (questions, program) = (Questions::default(), cat());
    let one = questions.put(draft(&program, &["a"]), at(0), WAIT).unwrap();
    questions.leave(&one, at(1), false);
    assert!(questions.all().is_empty());
    assert!(questions.answer(one.id, Reply::Yes, at(1)).is_none());
    // Whoever starts a program so that it hardly waits does not silence it.
    let hasty = questions.put(draft(&program, &["a"]), at(1), WAIT).unwrap();
    questions.leave(&hasty, at(2), true);
    questions.put(draft(&program, &["a"]), at(2), WAIT).unwrap();
}

#[test]
fn a_thousand_askers_do_not_make_a_thousand_questions() {
    let questions = Questions::default();
    let runs: Vec<Runs> = (0..=limits::QUESTIONS).map(|_| bash()).collect();
    for asker in &runs[..limits::QUESTIONS] {
        questions.put(draft(asker, &["a"]), at(0), WAIT).unwrap();
    }
    let last = &runs[limits::QUESTIONS];
    let enough = |seconds| Unasked::Enough(Duration::from_secs(seconds));
    assert_eq!(questions.put(draft(last, &["a"]), at(1), WAIT).unwrap_err(), enough(59));
    let gone = questions.put(draft(last, &["a"]), at(0) + WAIT, WAIT).unwrap_err();
    assert_eq!(gone, enough(1), "room comes with their ends");

    // Nor one after the other.
    let questions = Questions::default();
    let ask_and_go = |asker: &Runs, seconds| {
        let put = questions.put(draft(asker, &["a"]), at(seconds), WAIT);
        put.map(|question| questions.leave(&question, at(seconds), false))
    };
    for second in 0..OF_ONE as u64 {
        ask_and_go(&runs[0], second).unwrap();
    }
    assert_eq!(ask_and_go(&runs[0], 10).unwrap_err(), enough(50), "one program leaves room for others");
    for n in OF_ONE..IN_SPAN {
        ask_and_go(&runs[n / OF_ONE], n as u64).unwrap();
    }
    assert_eq!(ask_and_go(last, 20).unwrap_err(), enough(40));
    ask_and_go(last, 60).unwrap();
    assert_eq!(ask_and_go(&runs[0], 60).map(drop), Err(enough(1)), "all of a minute count");
}

#[test]
fn whoever_is_told_yes_asks_on() {
    let (questions, program) = (Questions::default(), cat());
    for second in 0..4 * OF_ONE as u64 {
        let question = questions.put(draft(&program, &["a"]), at(second), WAIT).unwrap();
        questions.answer(question.id, Reply::Yes, at(second)).unwrap();
    }
}

#[test]
fn nothing_survives_the_session() {
    let (questions, one, other) = (Questions::default(), cat(), bash());
    let open = questions.put(draft(&one, &["a"]), at(0), WAIT).unwrap();
    let refused = questions.put(draft(&other, &["a"]), at(0), WAIT).unwrap();
    questions.answer(refused.id, Reply::No, at(0)).unwrap();
    let past = questions.refused(Asked { action: Action::Get, names: vec!["a".into()] }, Rc::default());
    assert!(questions.request(past).is_some() && questions.request(open.id).is_some(), "control");
    questions.clear();
    assert!(questions.all().is_empty() && questions.request(past).is_none());
    assert!(questions.answer(open.id, Reply::Yes, at(1)).is_none());
    let next = questions.put(draft(&other, &["a"]), at(1), WAIT).unwrap();
    assert!(next.id > past, "numbers are never used again");
}

#[test]
fn refused_requests_are_remembered_by_number() {
    let questions = Questions::default();
    let asked = |name: &str| Asked { action: Action::Get, names: vec![name.to_owned()] };
    let id = questions.refused(asked("a"), Rc::default());
    assert_eq!(questions.refused(asked("a"), Rc::default()), id, "a loop is one request");
    assert_eq!(questions.request(id).unwrap().asked, asked("a"));
    for n in 0..PAST {
        questions.refused(asked(&n.to_string()), Rc::default());
    }
    assert!(questions.request(id).is_none(), "only so many");
}
