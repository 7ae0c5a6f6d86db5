//! A connection against a daemon that says what each test has it say, frame by frame.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use glassdome_proto::secrets::{self, Expect};
use glassdome_proto::{
    Answer, Body, Bytes, Challenge, Chunk, Code, HEADER_LEN, Hello, Name, Outcome, Range, Refusal, Reply,
    Request, decode, encode, limits, payload_len, session,
};

use crate::connection::{Connection, HANDSHAKE};
use crate::error::{Error, Side};
use crate::exit::Exit;
use crate::shell_token::ShellToken;
use crate::transfer::Upload;
use crate::wire_buffer::CAPACITY;

const NONCE: [u8; 32] = [7; 32];

/// A daemon's side of one connection.
pub(crate) struct Daemon {
    pub(crate) accepted: UnixStream,
    pub(crate) wire: UnixStream,
}

impl Daemon {
    pub(crate) fn challenge(accepted: UnixStream, protocol: Range) -> Self {
        let (wire, theirs) = UnixStream::pair().unwrap();
        let frame = framed(&Challenge { protocol, nonce: NONCE });
        glassdome_sys::send_with_fd(accepted.as_fd(), &frame, theirs.as_fd()).unwrap();
        Self { accepted, wire }
    }

    pub(crate) fn greeted(accepted: UnixStream) -> Self {
        let mut daemon = Self::challenge(accepted, Range::OURS);
        let frame = daemon.receive();
        let hello: Hello<'_> = decode(&frame).unwrap();
        assert_eq!((hello.nonce, hello.protocol), (NONCE, 1));
        daemon
    }

    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let mut header = [0; HEADER_LEN];
        self.wire.read_exact(&mut header).unwrap();
        let mut payload = vec![0; payload_len(header).unwrap()];
        self.wire.read_exact(&mut payload).unwrap();
        payload
    }

    /// A request to store a value, and all its parts: its id, and the value.
    pub(crate) fn receive_value(&mut self) -> (u32, Vec<u8>) {
        let frame = self.receive();
        let Request { id, body: Body::Secrets(secrets::Request::Set { total, first, .. }) } =
            decode(&frame).unwrap()
        else {
            panic!("not a set");
        };
        let mut received = first.expose().to_vec();
        while received.len() < total as usize {
            let frame = self.receive();
            let Request { id: same, body: Body::More(chunk) } = decode(&frame).unwrap() else {
                panic!("not a chunk");
            };
            assert_eq!(same, id);
            received.extend_from_slice(chunk.data.expose());
        }
        (id, received)
    }

    pub(crate) fn reply(&mut self, id: u32, outcome: Outcome<'_>) {
        // A client that has heard enough may be gone.
        self.wire.write_all(&framed(&Reply { id, outcome })).ok();
    }

    pub(crate) fn value(&mut self, id: u32, total: usize, first: &[u8]) {
        let first = Bytes::new(first).unwrap();
        let total = u32::try_from(total).unwrap();
        let value = secrets::Answer::Value { version: 1, expires: None, total, first };
        self.reply(id, Outcome::Ok(Answer::Secrets(value)));
    }

    pub(crate) fn more(&mut self, id: u32, data: &[u8]) {
        self.reply(id, Outcome::Ok(Answer::More(Chunk { data: Bytes::new(data).unwrap() })));
    }
}

fn framed<T: serde::Serialize>(message: &T) -> Vec<u8> {
    let mut frame = vec![0; CAPACITY];
    let len = encode(message, &mut frame).unwrap();
    frame.truncate(len);
    frame
}

pub(crate) fn id_of(frame: &[u8]) -> u32 {
    decode::<Request<'_>>(frame).unwrap().id
}

/// Where a daemon listens that serves one connection with `serve`.
pub(crate) fn listen(
    serve: impl FnOnce(UnixStream) + Send + 'static,
) -> (tempfile::TempDir, PathBuf, JoinHandle<()>) {
    let above = tempfile::tempdir().unwrap();
    let directory = above.path().join("glassdome");
    std::fs::create_dir(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    let socket = directory.join("daemon.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let daemon = thread::spawn(move || serve(listener.accept().unwrap().0));
    (above, socket, daemon)
}

/// What a client gets from such a daemon, which must not have complained either.
pub(crate) fn told<T>(
    serve: impl FnOnce(UnixStream) + Send + 'static,
    ask: impl FnOnce(Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let (_above, socket, daemon) = listen(serve);
    let outcome = Connection::open(&socket).and_then(ask);
    daemon.join().unwrap();
    outcome
}

fn get(mut connection: Connection) -> Result<Vec<u8>, Error> {
    let value = connection.get(Name::parse("a").unwrap(), None)?;
    Ok(value.bytes.to_vec())
}

#[test]
fn hello_and_the_first_request_arrive_together() {
    let lock =
        |mut connection: Connection| connection.call(Body::Session(session::Request::Lock)).map(|_| ());
    let served = |accepted| {
        let mut daemon = Daemon::challenge(accepted, Range::OURS);
        let mut bytes = [0; 1024];
        let len = daemon.wire.read(&mut bytes).unwrap();
        let hello_len = HEADER_LEN + payload_len(*bytes.first_chunk().unwrap()).unwrap();
        assert!(decode::<Hello<'_>>(&bytes[HEADER_LEN..hello_len]).is_ok());
        let id = id_of(&bytes[hello_len + HEADER_LEN..len]);
        let answer = Answer::Session(session::Answer::Locked);
        daemon.reply(id, Outcome::Ok(answer));
    };
    told(served, lock).unwrap();
    assert_eq!(rustix::process::dumpable_behavior().unwrap(), rustix::process::DumpableBehavior::NotDumpable);
}

#[test]
fn a_value_of_many_chunks_comes_back_whole() {
    let value: Vec<u8> = (0..limits::VALUE).map(|i| (i % 251) as u8).collect();
    let sent = value.clone();
    let served = move |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let id = id_of(&daemon.receive());
        let mut parts = sent.chunks(limits::CHUNK);
        daemon.value(id, sent.len(), parts.next().unwrap());
        parts.for_each(|part| daemon.more(id, part));
    };
    assert_eq!(told(served, get).unwrap(), value);
}

fn upload(mut connection: Connection, value: &[u8]) -> Result<u64, Error> {
    let name = Name::parse("a").unwrap();
    connection.set(Upload { name, field: None, expires: None, expect: Expect::Any, canary: false, value })
}

#[test]
fn a_value_of_many_chunks_is_sent_whole() {
    let value: Vec<u8> = (0..limits::VALUE).map(|i| (i % 253) as u8).collect();
    let expected = value.clone();
    let served = move |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let (id, received) = daemon.receive_value();
        assert!(received == expected);
        daemon.reply(id, Outcome::Ok(Answer::Secrets(secrets::Answer::Stored { version: 9 })));
    };
    let upload = |connection| upload(connection, &value);
    assert_eq!(told(served, upload).unwrap(), 9);
}

#[test]
fn more_than_was_announced_is_refused() {
    let too_many = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let id = id_of(&daemon.receive());
        daemon.value(id, 5, b"abc");
        daemon.more(id, b"def");
    };
    assert!(matches!(told(too_many, get), Err(Error::Unexpected)));
    let too_large = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let id = id_of(&daemon.receive());
        daemon.value(id, limits::VALUE + 1, b"abc");
    };
    assert!(matches!(told(too_large, get), Err(Error::Unexpected)));
    let endless = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let id = id_of(&daemon.receive());
        daemon.value(id, 5, b"");
        daemon.more(id, b"");
    };
    assert!(matches!(told(endless, get), Err(Error::Unexpected)));
}

#[test]
fn an_answer_to_another_question_is_refused() {
    let other_id = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let id = id_of(&daemon.receive());
        daemon.value(id + 1, 1, b"a");
    };
    assert!(matches!(told(other_id, get), Err(Error::Unexpected)));
    let other_family = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let id = id_of(&daemon.receive());
        daemon.reply(id, Outcome::Ok(Answer::Session(session::Answer::Locked)));
    };
    assert!(matches!(told(other_family, get), Err(Error::Unexpected)));
}

#[test]
fn a_refusal_instead_of_the_challenge_is_told() {
    let served = |mut accepted: UnixStream| {
        let refusal = Refusal {
            retry_after_ms: Some(1500),
            ..Refusal::new(Code::Throttled, "too many connections. Close some")
        };
        accepted.write_all(&framed(&Reply { id: 0, outcome: Outcome::Err(refusal) })).unwrap();
    };
    let error = told(served, get).unwrap_err();
    assert_eq!(Exit::from(&error), Exit::Throttled);
    assert_eq!(error.to_string(), "too many connections. Close some");
    assert!(matches!(error, Error::Refused { retry_after: Some(wait), .. } if wait.as_millis() == 1500));
}

#[test]
fn the_older_side_is_named() {
    for (min, max, side) in [(2, 3, Side::Client), (0, 0, Side::Daemon)] {
        let served = move |accepted| {
            let daemon = Daemon::challenge(accepted, Range { min, max });
            // The client goes without a word.
            assert_eq!((&daemon.accepted).read(&mut [0; 1]).unwrap(), 0);
        };
        let error = told(served, get).unwrap_err();
        assert!(matches!(error, Error::Upgrade { side: older } if older == side), "{error:?}");
    }
}

#[test]
fn noise_is_no_answer() {
    let noise = |bytes: &'static [u8]| {
        move |accepted| {
            let mut daemon = Daemon::greeted(accepted);
            daemon.receive();
            daemon.wire.write_all(bytes).unwrap();
        }
    };
    assert!(matches!(told(noise(b"\xff\xff\xff\xff"), get), Err(Error::Frame(_))));
    assert!(matches!(told(noise(b"\x02\0\0\0\xff\xff"), get), Err(Error::Decode(_))));
    assert!(matches!(told(noise(b"\x02\0\0\0\xff"), get), Err(Error::Closed)));
    assert!(matches!(told(noise(b""), get), Err(Error::Closed)));
    assert!(matches!(told(drop, get), Err(Error::Closed)));
}

#[test]
fn a_silent_daemon_is_not_waited_for() {
    let (_above, socket, daemon) = listen(|accepted| {
        let mut daemon = Daemon::greeted(accepted);
        daemon.receive();
        // Says nothing until the client goes.
        assert_eq!((&daemon.accepted).read(&mut [0; 1]).unwrap(), 0);
    });
    let begin = Instant::now();
    // Enough for a greeting.
    let mut connection = Connection::open_within(&socket, Duration::from_millis(500)).unwrap();
    assert!(matches!(connection.status(), Err(Error::TimedOut)));
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(500) && waited < HANDSHAKE, "{waited:?}");
    drop(connection);
    daemon.join().unwrap();
}

#[test]
fn a_daemon_that_does_not_greet_is_not_waited_for() {
    let (_above, socket, daemon) = listen(|mut accepted| assert_eq!(accepted.read(&mut [0; 1]).unwrap(), 0));
    let begin = Instant::now();
    let outcome = Connection::open_within(&socket, Duration::from_millis(50));
    assert!(matches!(outcome, Err(Error::TimedOut)));
    assert!(begin.elapsed() < HANDSHAKE);
    daemon.join().unwrap();
}

#[test]
fn nobody_there_is_no_daemon() {
    let (_above, socket, daemon) = listen(drop);
    drop(UnixStream::connect(&socket).unwrap());
    daemon.join().unwrap();
    // The socket is still there, and nobody listens.
    assert!(matches!(Connection::open(&socket), Err(Error::NoDaemon { .. })));
    std::fs::remove_file(&socket).unwrap();
    assert!(matches!(Connection::open(&socket), Err(Error::NoDaemon { .. })));
}

/// Reads the greeting and the request that shows the token; both came in one write with what follows.
fn told_token(daemon: &mut Daemon) -> u32 {
    let frame = daemon.receive();
    let Request { id, body: Body::Session(session::Request::Token { token }) } = decode(&frame).unwrap()
    else {
        panic!("not a token");
    };
    assert_eq!(token.expose(), b"a shell's token");
    id
}

const TAKEN: Outcome<'static> = Outcome::Ok(Answer::Session(session::Answer::TokenTaken));

fn with_token<T>(
    ask: impl FnOnce(Connection) -> Result<T, Error>,
) -> impl FnOnce(Connection) -> Result<T, Error> {
    |mut connection| {
        connection.show_token(&ShellToken::of(b"a shell's token"))?;
        ask(connection)
    }
}

#[test]
fn a_token_goes_in_front_and_its_answer_is_passed_over() {
    for token_first in [true, false] {
        let served = move |accepted| {
            let mut daemon = Daemon::greeted(accepted);
            let token = told_token(&mut daemon);
            let id = id_of(&daemon.receive());
            assert_ne!(token, id);
            if token_first {
                daemon.reply(token, TAKEN);
            }
            daemon.value(id, 1, b"a");
            if !token_first {
                daemon.reply(token, TAKEN);
            }
            let id = id_of(&daemon.receive());
            daemon.value(id, 1, b"b");
        };
        let twice = |mut connection: Connection| {
            let name = || Name::parse("a").unwrap();
            let first = connection.get(name(), None)?.bytes.to_vec();
            Ok([first, connection.get(name(), None)?.bytes.to_vec()].concat())
        };
        assert_eq!(told(served, with_token(twice)).unwrap(), b"ab", "token first: {token_first}");
    }
}

#[test]
fn a_token_that_is_refused_is_an_error() {
    let served = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let token = told_token(&mut daemon);
        daemon.reply(token, Outcome::Err(Refusal::new(Code::Denied, "another shell's token")));
    };
    let error = told(served, with_token(get)).unwrap_err();
    assert_eq!(Exit::from(&error), Exit::Denied);
    let served = |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let token = told_token(&mut daemon);
        daemon.value(token, 1, b"a");
    };
    assert!(matches!(told(served, with_token(get)), Err(Error::Unexpected)));
}

#[test]
fn a_large_value_is_sent_whole_behind_a_token() {
    let value = vec![7; 3 * limits::CHUNK];
    let expected = value.len();
    let served = move |accepted| {
        let mut daemon = Daemon::greeted(accepted);
        let token = told_token(&mut daemon);
        daemon.reply(token, TAKEN);
        let frame = daemon.receive();
        let Request { id, body: Body::Secrets(secrets::Request::Set { first, .. }) } =
            decode(&frame).unwrap()
        else {
            panic!("not a set");
        };
        let mut received = first.expose().len();
        while received < expected {
            let frame = daemon.receive();
            let Request { body: Body::More(chunk), .. } = decode(&frame).unwrap() else {
                panic!("not a chunk");
            };
            received += chunk.data.expose().len();
        }
        daemon.reply(id, Outcome::Ok(Answer::Secrets(secrets::Answer::Stored { version: 2 })));
    };
    let upload = |connection| upload(connection, &value);
    assert_eq!(told(served, with_token(upload)).unwrap(), 2);
}
