//! `ctl`: see [`glassdome_client::ctl`].
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    glassdome_client::ctl()
}
