//! Prints every row of a vault as it lies in the file, sealed, one JSON object a line: so that a
//! reader in another language needs nothing of ours but redb's container.
//!
//! ```text
//! rows VAULT        (needs no password; the daemon must not have the vault open)
//! ```

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use glassdome_vault::{Found, Vault};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("which vault?")?;
    let Found::Present(vault) = Vault::open(Path::new(&path))? else {
        return Err("there is no vault".into());
    };
    let mut lines = Vec::new();
    vault.rows(|table, key, row| {
        lines.push(serde_json::json!({ "table": table, "key": hex(key), "row": hex(row) }));
        Ok(())
    })?;
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
