//! The floor of every server: answers 64 bytes with 128, and does nothing else.
//!
//! `floor_echo pair` serves the socket that is its stdin, `floor_echo accept SOCKET` one connection
//! after the other, `floor_echo epoll SOCKET` many at once.
#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

const ASKED: usize = 64;
const ANSWER: [u8; 128] = [b'!'; 128];

fn main() -> io::Result<()> {
    let mut args = std::env::args_os().skip(1);
    let kind = args.next().unwrap_or_default();
    let socket = args.next().unwrap_or_default();
    match kind.to_str() {
        Some("pair") => pair(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?)),
        Some("accept") => accept(&UnixListener::bind(socket)?),
        Some("epoll") => many(&UnixListener::bind(socket)?),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn pair(mut stream: UnixStream) -> io::Result<()> {
    let mut question = [0; ASKED];
    while stream.read_exact(&mut question).is_ok() {
        stream.write_all(&ANSWER)?;
    }
    Ok(())
}

fn accept(listener: &UnixListener) -> io::Result<()> {
    let mut question = [0; ASKED];
    loop {
        let (mut stream, _) = listener.accept()?;
        // Who only looks whether somebody listens asks nothing.
        if stream.read_exact(&mut question).is_ok() {
            stream.write_all(&ANSWER)?;
        }
    }
}

fn many(listener: &UnixListener) -> io::Result<()> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, listener, epoll::EventData::new_u64(u64::MAX), epoll::EventFlags::IN)?;
    let mut streams: Vec<Option<OwnedFd>> = Vec::new();
    let mut events = Vec::with_capacity(256);
    let mut question = [0; ASKED];
    loop {
        events.clear();
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        for event in &events {
            let data = event.data.u64();
            if data == u64::MAX {
                let (stream, _) = listener.accept()?;
                let index = epoll::EventData::new_u64(streams.len() as u64);
                epoll::add(&poll, &stream, index, epoll::EventFlags::IN)?;
                streams.push(Some(stream.into()));
                continue;
            }
            let Some(place) = usize::try_from(data).ok().and_then(|index| streams.get_mut(index)) else {
                continue;
            };
            let served = match place {
                Some(stream) => {
                    rustix::io::read(&*stream, &mut question)? == ASKED
                        && rustix::io::write(&*stream, &ANSWER)? == ANSWER.len()
                }
                None => true,
            };
            if !served {
                *place = None;
            }
        }
    }
}
