//! `ctl rm`: take a secret away.

use glassdome_proto::Name;

use crate::cli::{Command, connect_to_ask};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::notice;
use crate::wait::WaitArgs;

/// What can be typed behind `ctl rm`.
#[derive(clap::Args)]
pub(crate) struct Rm {
    /// Which secret
    name: String,
    /// Its former versions too: they cannot be restored
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

impl Command for Rm {
    const NAME: &'static str = "rm";
    const ABOUT: &'static str = "Remove a secret; its last versions are kept unless it is purged";
    const EXAMPLES: &'static str = "ctl rm aws/test/key\nctl rm --purge aws/test/key";

    fn run(self) -> Result<Exit, Error> {
        let name = Name::typed(&self.name)?;
        connect_to_ask(&self.wait)?.remove(name.clone(), self.purge)?;
        notice::done(&if self.purge {
            format!("removed {name} for good")
        } else {
            format!("removed {name}. Its versions: ctl history {name}")
        });
        Ok(Exit::Ok)
    }
}
