//! A connection in an event loop's hands, against a daemon that says what each test has it say.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use glassdome_proto::secrets::{self, Expect};
use glassdome_proto::{Answer, Body, Code, Name, Outcome, Refusal, Request, decode, limits};
use rustix::event::{PollFd, PollFlags, poll};
use zeroize::Zeroizing;

use crate::connection_tests::{Daemon, id_of, listen};
use crate::error::Error;
use crate::evented::{Evented, Telling, Told};
use crate::guest::Guest;
use crate::reference::Reference;
use crate::transfer::Upload;
use crate::wait::Wait;

const GUEST: Guest<'_> = Guest { client: "a guest", version: "7", wait: Wait::NOT };

fn readable(descriptor: &impl AsFd) {
    poll(&mut [PollFd::new(descriptor, PollFlags::IN)], None).unwrap();
}

fn open(socket: &Path) -> Evented {
    let mut opening = GUEST.begin(socket).unwrap().unwrap();
    loop {
        readable(&opening.descriptor().unwrap());
        if let Some(evented) = opening.advance().unwrap() {
            return evented;
        }
    }
}

/// Goes on until `count` requests were told of.
fn until_told(evented: &mut Evented, count: usize) -> Vec<Telling> {
    let mut told = Vec::new();
    while told.len() < count {
        let more = evented.send(&mut told).unwrap();
        let what = if more { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        poll(&mut [PollFd::new(evented, what)], None).unwrap();
        evented.receive(&mut told).unwrap();
    }
    told
}

fn name(text: &str) -> Name<'static> {
    Name::typed(text).unwrap()
}

/// What `client` makes of a daemon that does `serve`.
fn with<T>(serve: impl FnOnce(UnixStream) + Send + 'static, client: impl FnOnce(Evented) -> T) -> T {
    let (_above, socket, daemon) = listen(serve);
    let made = client(open(&socket));
    daemon.join().unwrap();
    made
}

fn value(told: &Result<Told, Error>) -> &[u8] {
    match told {
        Ok(Told::Value(value)) => &value.bytes,
        _ => panic!("not a value"),
    }
}

#[test]
fn answers_come_in_any_order_and_no_more_is_asked_than_the_daemon_takes() {
    const COUNT: usize = 200;
    let served = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let mut waiting: Vec<u32> = Vec::new();
        for asked in 1..=COUNT {
            waiting.push(id_of(&daemon.receive()));
            // The daemon's own limit, with what it counts a little longer.
            assert!(waiting.len() < limits::IN_FLIGHT);
            if waiting.len() == limits::IN_FLIGHT / 2 || asked == COUNT {
                waiting.drain(..).rev().for_each(|id| daemon.value(id, 4, &id.to_le_bytes()));
            }
        }
    };
    let told = with(served, |mut evented| {
        let asked: Vec<u32> = (0..COUNT).map(|_| evented.get(name("a"), None)).collect();
        let told = until_told(&mut evented, COUNT);
        assert_eq!(evented.interesting(), 0);
        assert_eq!(
            told.iter().map(|(id, _)| *id).collect::<std::collections::HashSet<_>>().len(),
            asked.len()
        );
        told
    });
    assert!(told.iter().all(|(id, told)| value(told) == id.to_le_bytes()));
}

#[test]
fn a_person_who_is_asked_holds_up_nobody() {
    let served = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let slow = id_of(&daemon.receive());
        daemon.reply(slow, Outcome::Asked { question: 1, left_ms: 60_000 });
        let quick = id_of(&daemon.receive());
        daemon.value(quick, 1, b"q");
        let third = id_of(&daemon.receive());
        daemon.value(slow, 1, b"s");
        daemon.value(third, 1, b"t");
    };
    with(served, |mut evented| {
        let (slow, quick) = (evented.get(name("slow"), None), evented.get(name("quick"), None));
        let told = until_told(&mut evented, 1);
        assert_eq!((told[0].0, value(&told[0].1)), (quick, &b"q"[..]));
        assert!(!evented.asks_for_nobody());
        evented.forget(slow);
        assert!(evented.asks_for_nobody());
        let third = evented.get(name("third"), None);
        let told = until_told(&mut evented, 1);
        assert_eq!((told[0].0, value(&told[0].1)), (third, &b"t"[..]));
        assert_eq!((told.len(), evented.interesting()), (1, 0), "what was forgotten is not told of");
    });
}

#[test]
fn a_person_who_is_asked_about_what_is_forgotten_is_asked_for_nobody() {
    let (ask, may_ask) = std::sync::mpsc::channel();
    let served = move |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let forgotten = id_of(&daemon.receive());
        may_ask.recv().unwrap();
        daemon.reply(forgotten, Outcome::Asked { question: 1, left_ms: 60_000 });
        let other = id_of(&daemon.receive());
        daemon.value(other, 1, b"o");
    };
    with(served, |mut evented| {
        let forgotten = evented.get(name("a"), None);
        assert!(!evented.send(&mut Vec::new()).unwrap());
        evented.forget(forgotten);
        assert!(!evented.asks_for_nobody(), "nobody is asked yet");
        ask.send(()).unwrap();
        evented.get(name("b"), None);
        assert_eq!(value(&until_told(&mut evented, 1)[0].1), b"o");
        assert!(evented.asks_for_nobody());
    });
}

#[test]
fn what_was_forgotten_before_it_was_sent_is_never_sent() {
    let served = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let frame = daemon.receive();
        let Request { id, body: Body::Secrets(secrets::Request::Get { name, .. }) } = decode(&frame).unwrap()
        else {
            panic!("not a get");
        };
        assert_eq!(&*name, "b");
        daemon.value(id, 1, b"b");
    };
    with(served, |mut evented| {
        let forgotten = evented.get(name("a"), None);
        evented.forget(forgotten);
        assert!(!evented.asks_for_nobody());
        evented.get(name("b"), None);
        assert_eq!(value(&until_told(&mut evented, 1)[0].1), b"b");
    });
}

#[test]
fn large_values_go_both_ways() {
    let large: Vec<u8> = (0..limits::VALUE).map(|i| (i % 251) as u8).collect();
    let expected = large.clone();
    let served = move |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let (id, received) = daemon.receive_value();
        assert!(received == expected);
        daemon.reply(id, Outcome::Ok(Answer::Secrets(secrets::Answer::Stored { version: 9 })));
        let id = id_of(&daemon.receive());
        let mut parts = received.chunks(limits::CHUNK);
        daemon.value(id, received.len(), parts.next().unwrap());
        parts.for_each(|part| daemon.more(id, part));
    };
    with(served, |mut evented| {
        let upload = Upload {
            name: name("a"),
            field: None,
            expires: None,
            expect: Expect::Any,
            canary: false,
            value: &[],
        };
        evented.set(upload, Zeroizing::new(large.clone()));
        assert!(matches!(until_told(&mut evented, 1)[0].1, Ok(Told::Stored(9))));
        evented.get(name("a"), None);
        assert!(value(&until_told(&mut evented, 1)[0].1) == large);
    });
}

#[test]
fn what_had_no_room_beside_others_is_asked_for_alone() {
    let served = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let id = id_of(&daemon.receive());
        let here = secrets::Found::Here {
            version: 1,
            expires: None,
            value: glassdome_proto::Bytes::new(b"small").unwrap(),
        };
        let found = glassdome_proto::List::new(vec![secrets::Found::Alone, here]).unwrap();
        daemon.reply(id, Outcome::Ok(Answer::Secrets(secrets::Answer::Values(found))));
        let frame = daemon.receive();
        let Request { id, body: Body::Secrets(secrets::Request::Get { name, .. }) } = decode(&frame).unwrap()
        else {
            panic!("not a get");
        };
        assert_eq!(&*name, "large");
        daemon.value(id, 5, b"la");
        daemon.more(id, b"rge");
    };
    with(served, |mut evented| {
        let wanted = |text: &str| Reference { name: name(text), field: None };
        evented.get_many(vec![wanted("large"), wanted("small")]);
        let told = until_told(&mut evented, 1);
        let Ok(Told::Values(values)) = &told[0].1 else { panic!("not values") };
        assert_eq!([&*values[0].bytes, &*values[1].bytes], [&b"large"[..], &b"small"[..]]);
    });
}

#[test]
fn a_refusal_is_told_of_and_leaves_the_rest() {
    let served = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let (first, second) = (id_of(&daemon.receive()), id_of(&daemon.receive()));
        daemon.reply(first, Outcome::Err(Refusal::new(Code::NotFound, "no such secret")));
        daemon.value(second, 1, b"b");
    };
    with(served, |mut evented| {
        evented.get(name("a"), None);
        evented.get(name("b"), None);
        let told = until_told(&mut evented, 2);
        assert!(matches!(&told[0].1, Err(error) if error.code() == Some(Code::NotFound)));
        assert_eq!(value(&told[1].1), b"b");
    });
}

#[test]
fn an_answer_to_nothing_and_an_end_are_the_end() {
    for (answer, is_closed) in [(true, false), (false, true)] {
        let served = move |accepted| {
            let mut daemon = Daemon::greeted(accepted);
            let id = id_of(&daemon.receive());
            if answer {
                daemon.value(id + 1, 1, b"a");
            }
        };
        with(served, |mut evented| {
            evented.get(name("a"), None);
            let mut told = Vec::new();
            assert!(!evented.send(&mut told).unwrap());
            readable(&evented);
            let ended = evented.receive(&mut told).unwrap_err();
            assert_eq!(matches!(ended, Error::Closed), is_closed, "{ended:?}");
            assert!(told.is_empty());
        });
    }
}

#[test]
fn what_is_overdue_is_named_once() {
    let served = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        daemon.receive();
        assert_eq!((&daemon.accepted).read(&mut [0; 1]).unwrap(), 0);
    };
    with(served, |mut evented| {
        let id = evented.get(name("a"), None);
        evented.send(&mut Vec::new()).unwrap();
        assert!(evented.overdue(Instant::now()).is_empty());
        let later = Instant::now() + limits::ANSWER + Duration::from_secs(1);
        assert_eq!(evented.overdue(later), [id]);
        assert!(evented.overdue(later).is_empty());
    });
}

#[test]
fn a_daemon_that_has_not_greeted_yet_is_not_waited_for() {
    let (_above, socket, daemon) = listen(|mut accepted| assert_eq!(accepted.read(&mut [0; 1]).unwrap(), 0));
    let mut opening = GUEST.begin(&socket).unwrap().unwrap();
    assert!(opening.advance().unwrap().is_none());
    drop(opening);
    daemon.join().unwrap();
}
