//! A vault file as somebody left it who can write it: any bytes at all, or an honest file with
//! pieces overwritten, which gets past the store's outermost checks.
#![no_main]

use glassdome_fuzz::vault;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| vault::catching(|| match data {
    [] | [0] => {}
    [0, file @ ..] => vault::open(file),
    [_, patches @ ..] => vault::open(&patched(patches)),
}));

/// Each patch: where (3 bytes, little-endian), how much (1 byte), with what. A piece of length
/// zero cuts the file off there.
fn patched(mut patches: &[u8]) -> Vec<u8> {
    let mut file = vault::honest().file.clone();
    while let Some(([at @ .., len], rest)) = patches.split_first_chunk::<4>() {
        let at = u32::from_le_bytes([at[0], at[1], at[2], 0]) as usize % file.len();
        let (piece, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        patches = rest;
        if *len == 0 {
            file.truncate(at.max(1));
            continue;
        }
        let end = file.len().min(at + piece.len());
        file[at..end].copy_from_slice(&piece[..end - at]);
    }
    file
}
