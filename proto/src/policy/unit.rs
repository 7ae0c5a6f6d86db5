//! Units of systemd, by which rules and handles tell processes apart: and which of them tell nothing, since
//! they run what users ask for.

use serde::{Deserialize, Serialize};

use crate::{Text, limits};

/// A unit of systemd (systemd.unit(5)), by the control group that its processes are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit<'a> {
    /// Whose.
    pub manager: Manager,
    /// Its name, with its kind behind the dot.
    #[serde(borrow)]
    pub name: Text<'a, { limits::UNIT }>,
}

/// Who runs a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Manager {
    /// The system: only root puts a process there.
    System,
    /// The user: weak, since any process of theirs can have one made.
    User,
}

impl Unit<'_> {
    /// Whether root alone says what runs there, as far as its name tells.
    pub fn is_roots(&self) -> bool {
        self.manager == Manager::System && !runs_for_users(&self.name)
    }
}

/// Services of the system's that start what users ask for, by the names that distributions ship them with.
const FOR_USERS: &[&str] = &[
    // At a time: cron(8), incron(5), at(1).
    "anacron",
    "at",
    "atd",
    "bcron",
    "cron",
    "crond",
    "cronie",
    "dcron",
    "fcron",
    "incron",
    "incrond",
    // Logins. Where no PAM moves them into a session of their own, they stay in the service that they came by.
    "console-getty",
    "container-getty",
    "display-manager",
    "dropbear",
    "gdm",
    "gdm3",
    "getty",
    "greetd",
    "inetd",
    "lightdm",
    "ly",
    "lxdm",
    "sddm",
    "serial-getty",
    "ssh",
    "sshd",
    "sshd-unix-local",
    "sshd-vsock",
    "telnet",
    "telnetd",
    "tinyssh",
    "tinysshd",
    "vncserver",
    "xdm",
    "xinetd",
    "xrdp",
    "xrdp-sesman",
    // Terminals and notebooks in a browser.
    "jupyterhub",
    "rstudio-server",
    "shellinabox",
    "shellinaboxd",
    "ttyd",
    // Mail: what ~/.forward pipes it into, local(8).
    "courier",
    "exim",
    "exim4",
    "opensmtpd",
    "postfix",
    "sendmail",
    "smtpd",
    // Queues of jobs.
    "buildkite-agent",
    "condor",
    "gitlab-runner",
    "jenkins",
    "pbs",
    "sge_execd",
    "slurmd",
    "slurmstepd",
];
/// Beginnings of such names: those that systemd-run(1), systemd-cron and GitHub's runner make up.
const FOR_USERS_BEGIN: &[&str] = &["run-", "cron-", "actions.runner."];

/// Whether a unit of the system's is known to run what users ask for: then any process of theirs can have
/// another one started in it. `name` is the whole, with its instance and kind; of one that is not known
/// nothing is told.
pub fn runs_for_users(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let template = stem.split('@').next().unwrap_or(stem);
    FOR_USERS.contains(&template) || FOR_USERS_BEGIN.iter().any(|beginning| template.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_for_users_is_known_by_its_name() {
        for name in [
            "cron.service",
            "crond.service",
            "atd.service",
            "anacron.service",
            "ssh.service",
            "ssh.socket",
            "sshd.service",
            "sshd@0-10.0.0.1:22-10.0.0.2:4711.service",
            "getty@tty1.service",
            "postfix@-.service",
            "run-u42.service",
            "run-r0a1b.scope",
            "cron-u-0.timer",
            "actions.runner.shop.u.service",
        ] {
            assert!(runs_for_users(name), "{name}");
        }
        for name in [
            "api.service",
            "cronus.service",
            "my-cron.service",
            "sshd-like.service",
            "runner.service",
            "a@cron.service",
        ] {
            assert!(!runs_for_users(name), "{name}");
        }
    }

    #[test]
    fn only_roots_own_are_roots() {
        let is_roots = |manager, name| Unit { manager, name: Text::new(name).unwrap() }.is_roots();
        assert!(is_roots(Manager::System, "api.service"));
        assert!(!is_roots(Manager::System, "cron.service") && !is_roots(Manager::User, "api.service"));
    }
}
