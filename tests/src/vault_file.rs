//! A vault that opens at the least cost that vaults may have. What a daemon makes takes half a second
//! to open, on purpose, and nearly every test opens one.

use std::fs;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use glassdome_lockmem::LockedBytes;
use glassdome_vault::kdf::{self, KdfParams};
use glassdome_vault::{SlotKind, Vault};

use crate::world::PASSWORD;

/// The file, empty but for its key slot, sealed with [`PASSWORD`].
pub fn vault_file() -> &'static [u8] {
    static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("vault");
        let password = LockedBytes::copied_from(PASSWORD.as_bytes()).expect("memory can be locked");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs();
        let input =
            Vault::new_kdf_input(SlotKind::Password, KdfParams::FLOOR).expect("the floor is within bounds");
        let kek = kdf::derive(&input, &password).expect("there is memory for it");
        drop(Vault::create(&path, &input, &kek, now).expect("the directory takes a vault"));
        fs::read(&path).expect("it was just made")
    });
    &FILE
}
