//! A backup that anybody wrote, with a digest that fits, so that what is behind it is met: recovering from it gives a
//! vault or an error, and leaves nothing beside it.
#![no_main]

use glassdome_fuzz::vault;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| vault::catching(|| {
    let Some((how, rest)) = data.split_first() else { return };
    match how % 3 {
        0 => vault::recover(rest),
        1 => vault::recover(&with_digest([&b"GLDMBAK1"[..], rest].concat())),
        _ => vault::recover(&with_digest(changed(rest))),
    }
}));

/// The honest backup without its end, with pieces overwritten: where (2 bytes), what (1 byte).
fn changed(patches: &[u8]) -> Vec<u8> {
    let honest = &vault::honest().backup;
    let mut stream = honest[..honest.len() - 33].to_vec();
    for patch in patches.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([patch[0], patch[1]])) % stream.len();
        stream[at] = patch[2];
    }
    stream
}

fn with_digest(mut stream: Vec<u8>) -> Vec<u8> {
    stream.push(0xff);
    let digest = blake3::hash(&stream);
    stream.extend_from_slice(digest.as_bytes());
    stream
}
