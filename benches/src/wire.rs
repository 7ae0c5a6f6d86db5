//! A bare connection: one request that was encoded beforehand, sent again and again. Load for the
//! daemon that costs the one who makes it as little as an echo does.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use glassdome_proto::{
    Answer, Body, Challenge, HEADER_LEN, Hello, Name, Outcome, Range, Reply, Request, Text, decode, encode,
    payload_len, secrets,
};

use crate::error::Error;
use crate::floors::{ANSWERED, ASKED};
use crate::home::Home;
use crate::seed;

/// A question that is asked over and over, and the answer that always comes.
pub(crate) struct Wire {
    stream: UnixStream,
    _accepted: Option<UnixStream>,
    question: Vec<u8>,
    answer: Vec<u8>,
}

impl Wire {
    /// One that asks the daemon for a value.
    pub(crate) fn getting(home: &Home, name: &str) -> Result<Self, Error> {
        home.show_ourselves()?;
        Self::reaching(&home.socket(), name)
    }

    /// As [`Wire::getting`], of the daemon at that socket, in a process that never hid.
    pub(crate) fn reaching(socket: &Path, name: &str) -> Result<Self, Error> {
        let accepted = connect(socket)?;
        let mut frame = [0; 512];
        let (len, stream) = glassdome_sys::recv_with_fd(accepted.as_fd(), &mut frame)
            .map_err(Error::system("receive a challenge"))?;
        let (Some(stream), Some(payload)) = (stream, frame[..len].get(HEADER_LEN..)) else {
            return Err(Error::Wrong("the handshake"));
        };
        let challenge: Challenge = decode(payload).map_err(|_| Error::Wrong("the handshake"))?;
        let hello = Hello {
            protocol: challenge.protocol.common(Range::OURS).ok_or(Error::Wrong("the handshake"))?,
            nonce: challenge.nonce,
            client: Text::cut("bench"),
            version: Text::cut(env!("CARGO_PKG_VERSION")),
            wait_s: 0,
        };
        let parsed = Name::parse(name).map_err(glassdome_client::Error::from)?;
        let body = Body::Secrets(secrets::Request::Get { name: parsed, field: None });
        let mut stream = UnixStream::from(stream);
        let mut question = vec![0; 1024];
        let unencodable = |_| Error::Wrong("encoding");
        let len = encode(&hello, &mut question).map_err(unencodable)?;
        send(&mut stream, &question[..len])?;
        let len = encode(&Request { id: 1, body }, &mut question).map_err(unencodable)?;
        question.truncate(len);
        send(&mut stream, &question)?;
        let answer = first_answer(&mut stream, name)?;
        Ok(Self { stream, _accepted: Some(accepted), question, answer })
    }

    /// One that asks an echo server.
    pub(crate) fn echoing(socket: &Path) -> Result<Self, Error> {
        let stream = connect(socket)?;
        Ok(Self { stream, _accepted: None, question: vec![b'?'; ASKED], answer: vec![b'!'; ANSWERED] })
    }

    /// Asks.
    pub(crate) fn ask(&mut self) -> Result<(), Error> {
        send(&mut self.stream, &self.question)
    }

    /// Waits for the answer.
    pub(crate) fn answered(&mut self) -> Result<(), Error> {
        let mut answer = [0; 512];
        let answer = &mut answer[..self.answer.len()];
        self.stream.read_exact(answer).map_err(Error::system("receive"))?;
        if *answer == *self.answer { Ok(()) } else { Err(Error::Wrong("an answer under load")) }
    }
}

fn first_answer(stream: &mut UnixStream, name: &str) -> Result<Vec<u8>, Error> {
    let mut header = [0; HEADER_LEN];
    stream.read_exact(&mut header).map_err(Error::system("receive"))?;
    let len = payload_len(header).map_err(|_| Error::Wrong("the first answer"))?;
    let mut answer = header.to_vec();
    answer.resize(HEADER_LEN + len, 0);
    stream.read_exact(&mut answer[HEADER_LEN..]).map_err(Error::system("receive"))?;
    match decode(&answer[HEADER_LEN..]) {
        Ok(Reply { outcome: Outcome::Ok(Answer::Secrets(secrets::Answer::Value { first, .. })), .. })
            if first.expose() == seed::value_of(name).as_bytes() =>
        {
            Ok(answer)
        }
        _ => Err(Error::Wrong("the first answer")),
    }
}

fn connect(socket: &Path) -> Result<UnixStream, Error> {
    UnixStream::connect(socket).map_err(Error::system("connect"))
}

fn send(stream: &mut UnixStream, bytes: &[u8]) -> Result<(), Error> {
    stream.write_all(bytes).map_err(Error::system("send"))
}
