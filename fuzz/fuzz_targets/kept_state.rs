//! The newest state of a vault, as the OS keyring keeps it: whatever somebody puts there, only what was made with the
//! master key is read, and as it was made; and nobody else's counts beside it.
#![no_main]

use std::sync::OnceLock;

use glassdome_fuzz::vault::honest;
use glassdome_vault::{Found, Mark, Vault, VaultId};
use libfuzzer_sys::fuzz_target;

/// The state that the honest vault is in.
fn newest() -> Mark {
    static NEWEST: OnceLock<Mark> = OnceLock::new();
    *NEWEST.get_or_init(|| {
        let Ok(Found::Present(vault)) = Vault::open(&honest().path) else { panic!("an honest vault opens") };
        vault.mark(&honest().keys()).expect("it is in some state")
    })
}

fuzz_target!(|data: &[u8]| {
    let (newest, keys) = (newest(), &*honest().keys());
    let read = |kept: &[u8]| Mark::of_kept(kept, newest.vault, keys);
    // The fuzzer sees what is compared here, and learns it: so what is read may be what was made, and nothing else.
    let as_it_was_made = |kept: &[u8]| read(kept).is_none_or(|mark| mark.to_kept(keys)[..] == *kept);
    assert!(as_it_was_made(data), "what nobody has made");
    let kept = newest.to_kept(keys);
    assert_eq!(read(&kept), Some(newest));

    // Its bytes, as the input has them changed, cut and prolonged.
    let mut bad = kept.to_vec();
    for edit in data.chunks_exact(2).take(4) {
        let at = usize::from(edit[0]) % (bad.len() + 1);
        match edit[1] % 4 {
            0 => bad.truncate(at),
            1 => bad.insert(at, edit[1]),
            _ => bad[..].get_mut(at).into_iter().for_each(|byte| *byte ^= edit[1]),
        }
    }
    assert!(as_it_was_made(&bad), "one that was changed");

    // Any state comes back as it was made, of this vault and of no other.
    let Some((generation, rest)) = data.split_first_chunk::<8>() else { return };
    let Some(state) = rest.first_chunk::<16>() else { return };
    let other = Mark { generation: u64::from_le_bytes(*generation), state: *state, ..newest };
    let kept = other.to_kept(keys);
    assert_eq!(read(&kept), Some(other));
    let elsewhere = VaultId::from_bytes(*state);
    assert_eq!(Mark::of_kept(&kept, elsewhere, keys).is_some(), elsewhere == newest.vault);
});
