//! Encrypted streams: whatever the bytes are, only what was encrypted comes out, from its beginning; and an honest
//! stream that was cut and put together otherwise does not end well.
#![no_main]

use std::sync::OnceLock;

use glassdome_fuzz::vault::honest;
use glassdome_vault::{Keys, Opener, STREAM_CHUNK, STREAM_HEADER, STREAM_TAG, Sealer};
use libfuzzer_sys::fuzz_target;

const CONTEXT: &str = "fuzz";
const BLOCK: usize = STREAM_CHUNK + STREAM_TAG;

/// A stream of three chunks, the last short, and what is in it.
fn stream(keys: &Keys) -> &'static (Vec<u8>, Vec<u8>) {
    static STREAM: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    STREAM.get_or_init(|| {
        let plain: Vec<u8> = (0..2 * STREAM_CHUNK + 99).map(|at| (at % 251) as u8).collect();
        let (mut sealer, header) = Sealer::new(keys, CONTEXT).expect("the kernel has random bytes");
        let mut stream = header.to_vec();
        for (at, chunk) in plain.chunks(STREAM_CHUNK).enumerate() {
            let mut out = vec![0; chunk.len() + STREAM_TAG];
            sealer.seal(keys, chunk, at == 2, &mut out).expect("chunks of these sizes are taken");
            stream.extend_from_slice(&out);
        }
        (stream, plain)
    })
}

fuzz_target!(|data: &[u8]| {
    let keys = &*honest().keys();
    let (honest, plain) = stream(keys);
    let (came, whole) = opened(keys, data);
    assert!(came.is_empty() && !whole, "bytes that nobody sealed");
    let bad = edited(honest, data);
    let (came, whole) = opened(keys, &bad);
    assert!(plain.starts_with(&came), "only what was sealed comes out");
    assert_eq!(whole, bad == *honest, "and ends well only if it is all of it");
});

/// The stream, as edits of three bytes each leave it: what, and where to some 60 bytes.
fn edited(stream: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bad = stream.to_vec();
    for edit in edits.chunks_exact(3).take(8) {
        let at = usize::from(u16::from_le_bytes([edit[1], edit[2]])) * 2 % (bad.len() + 1);
        match edit[0] % 5 {
            0 => bad.truncate(at),
            1 => {
                if let Some(byte) = bad.get_mut(at) {
                    *byte ^= edit[0] | 1;
                }
            }
            2 => drop(bad.splice(at..at, [edit[0]])),
            3 => drop(bad.drain(at..(at + BLOCK).min(bad.len()))),
            _ => {
                let again = bad[at..(at + BLOCK).min(bad.len())].to_vec();
                bad.splice(at..at, again);
            }
        }
    }
    bad
}

/// What came out, and whether it ended well.
fn opened(keys: &Keys, stream: &[u8]) -> (Vec<u8>, bool) {
    let (header, body) = stream.split_at(stream.len().min(STREAM_HEADER));
    let mut plain = Vec::new();
    let Ok(mut opener) = Opener::new(keys, CONTEXT, header) else { return (plain, false) };
    let chunks: Vec<&[u8]> = if body.is_empty() { vec![&[]] } else { body.chunks(BLOCK).collect() };
    for (at, chunk) in chunks.iter().enumerate() {
        let mut out = vec![0; chunk.len().saturating_sub(STREAM_TAG)];
        if opener.open(keys, chunk, at + 1 == chunks.len(), &mut out).is_err() {
            assert!(out.iter().all(|byte| *byte == 0), "nothing of a chunk that is not right");
            return (plain, false);
        }
        plain.extend_from_slice(&out);
    }
    (plain, true)
}
