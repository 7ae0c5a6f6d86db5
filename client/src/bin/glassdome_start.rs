//! `glassdome_start`: see [`glassdome_client::glassdome_start`].
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    glassdome_client::glassdome_start()
}
