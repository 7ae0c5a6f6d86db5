//! The daemon's own protections, one line each: on, degraded (why, and how to mend it), or off.
//! What this version does not do stands here as plainly as what it does.

use glassdome_lockmem::Level as MemoryLevel;
use glassdome_proto::pin::PinState;
use glassdome_proto::session::{self, Audit, Level, Protection};
use glassdome_proto::{Answer, List, Text, limits};

use crate::journald::Tally;
use crate::keyring::Heed;
use crate::logind;
use crate::screens;
use crate::state::State;
use crate::state_file::StateFile;
use crate::{clock, harden, machine, notify};

/// The answer to a doctor request.
pub fn doctor(state: &State) -> Answer<'static> {
    let mut lines = vec![
        install(state.stamp().is_some(), harden::set_id_programs_are_closed()),
        memory(state.memory()),
        line(
            "core dumps and debuggers",
            Level::On,
            "not dumpable: other processes of yours cannot attach or read",
        ),
        privileges(),
        descriptors(harden::refuses_descriptors()),
        line(
            "who asks",
            Level::On,
            "what you type where you typed the password, and programs by sealed rule; what that is worth: ctl whoami",
        ),
        terminals(machine::terminals_take_input(), machine::programs_can_be_debugged()),
        layouts(machine::randomises()),
        notifications(state.notifier().state()),
        pin(state.is_open(clock::now()).then(|| state.pins().state())),
        line(
            "same program throughout",
            Level::On,
            "a connection ends when its process ends, executes another program, or another process sends on it",
        ),
        audit(state.journal().state(), state.journal().auditor().is_some(), state.journal().is_linked()),
        keyring(state.keyring().state(), state.keyring().heed()),
        device_key(bound(state), state.keyring().state()),
        older_vaults(bound(state), state.keeping().kept().is_some(), state.keeping().why_not()),
        sleep_and_logout(state.logind().state(), state.logind().heed()),
        screen(state.is_paused(), state.screens().state(), state.screens().heed()),
        phishing(state.stamp().is_some()),
    ];
    lines.extend(state.state_file().map(state_file));
    lines.extend(state.journal().journald().map(|journald| self::journald(journald.tally())));
    let lines = List::new(lines).unwrap_or_else(|| unreachable!("fewer lines than {}", limits::PROTECTIONS));
    Answer::Session(session::Answer::Doctor(lines))
}

fn line(what: &'static str, level: Level, why: &'static str) -> Protection<'static> {
    Protection { what: Text::cut(what), level, why: Text::cut(why) }
}

fn told(what: &'static str, level: Level, why: String) -> Protection<'static> {
    Protection { what: Text::cut(what), level, why: Text::cut(why) }
}

fn install(stamped: bool, closed: bool) -> Protection<'static> {
    let what = "install";
    match (stamped, closed) {
        (true, true) => line(
            what,
            Level::On,
            "stamped: the installed programs and this daemon know each other by a group that nothing else can get",
        ),
        (true, false) => line(
            what,
            Level::Degraded,
            "stamped, but this machine lets the memory of such programs be read. Close it: sysctl fs.suid_dumpable=0",
        ),
        (false, _) => line(
            what,
            Level::Degraded,
            "unstamped: clients are known by the file that they run. Install as root: sudo make install",
        ),
    }
}

fn terminals(take_input: bool, debugged: bool) -> Protection<'static> {
    let what = "your terminals";
    let why = match (take_input, debugged) {
        (true, true) => {
            "a program of yours can type into them (sysctl dev.tty.legacy_tiocsti=0) and debug the shell \
             (sysctl kernel.yama.ptrace_scope=1); tmux send-keys stays. It is then served like you"
        }
        (true, false) => {
            "a program of yours can type into them (close it: sysctl dev.tty.legacy_tiocsti=0), or by tmux \
             send-keys. It is then served like you"
        }
        (false, true) => {
            "a program of yours can debug the shell (close it: sysctl kernel.yama.ptrace_scope=1), or type by tmux \
             send-keys. It is then served like you"
        }
        (false, false) => {
            "a program of yours can type into them by tmux send-keys. It is then served like you"
        }
    };
    line(what, Level::Degraded, why)
}

fn layouts(randomised: bool) -> Protection<'static> {
    let what = "address spaces";
    match randomised {
        true => line(what, Level::On, "randomised: each execution of a program is told from the next"),
        false => line(
            what,
            Level::Degraded,
            "not randomised: executions of one program look alike. Mend it: sysctl kernel.randomize_va_space=2",
        ),
    }
}

fn notifications(state: notify::State) -> Protection<'static> {
    let what = "notifications";
    match state {
        notify::State::Off => line(
            what,
            Level::Off,
            "no command is sealed, or no session is open: ctl settings set notify 'notify-send {title} {body}'",
        ),
        notify::State::On => {
            line(what, Level::On, "a question that waits, or bait that is touched, runs your command")
        }
        notify::State::NoHelper => line(
            what,
            Level::Off,
            "the helper that runs your command has ended, or was stopped. Start the daemon anew: ctl stop, glassdome_start",
        ),
        notify::State::Failed(why) => Protection {
            what: Text::cut(what),
            level: Level::Degraded,
            why: Text::cut(format!(
                "the last one failed: {why}. It runs with the environment in which the daemon was started"
            )),
        },
    }
}

fn state_file(file: &StateFile) -> Protection<'static> {
    let what = "state file";
    match file.failed() {
        None => line(
            what,
            Level::On,
            "for prompts, beside the socket: state and end of the session, no more. It is there to look at, not to \
             rely on: programs of yours can forge it",
        ),
        Some(why) => Protection {
            what: Text::cut(what),
            level: Level::Degraded,
            why: Text::cut(format!("it cannot be written, and prompts say nothing: {why}")),
        },
    }
}

fn journald(Tally { sent, lost, why }: Tally) -> Protection<'static> {
    let what = "system journal";
    let all = sent + lost;
    match why {
        None if lost == 0 => {
            line(what, Level::On, "gets every record of the audit log, too: names of secrets among them")
        }
        None => told(
            what,
            Level::On,
            format!(
                "gets the records of the audit log, too; {lost} of {all} did not go through. The file has them all"
            ),
        ),
        Some(why) => told(
            what,
            Level::Degraded,
            format!("{}: {lost} of {all} records did not go through. The file has them all", why.describe()),
        ),
    }
}

fn pin(state: Option<PinState>) -> Protection<'static> {
    let what = "approval PIN";
    match state {
        None | Some(PinState::Unknown) => line(what, Level::Off, "taken only while a session is open"),
        Some(PinState::Unset) => line(
            what,
            Level::Off,
            "none: questions are answered where you unlocked, or with the master password. Make one: ctl pin set",
        ),
        Some(PinState::Set) => line(
            what,
            Level::On,
            "set: it answers questions elsewhere, and opens nothing. A program that sees you type it there can answer \
             too",
        ),
        Some(PinState::Spent) => line(
            what,
            Level::Degraded,
            "5 wrong ones were tried, and it is taken no more until you type the master password: ctl unlock --renew. Who it \
             was is in the audit log",
        ),
    }
}

fn keyring(seen: session::Keyring, heed: Option<Heed>) -> Protection<'static> {
    use session::Keyring;
    let what = "keyring";
    if heed == Some(Heed::Off) {
        return line(what, Level::Off, "nothing ends with it. Change it: ctl settings set keyring lock");
    }
    let seen_as = seen.why_not();
    match seen {
        Keyring::Unlocked => line(what, Level::On, "open: a session ends at once when it locks or goes away"),
        Keyring::Locked => line(
            what,
            Level::Degraded,
            "locked: no session ends with it until it is opened. To open none meanwhile: ctl settings set keyring \
             require",
        ),
        Keyring::Unwatched => line(what, Level::Off, seen_as),
        Keyring::NoBus => told(
            what,
            Level::Off,
            format!(
                "{seen_as} ($DBUS_SESSION_BUS_ADDRESS, or bus in $XDG_RUNTIME_DIR): nothing ends with a keyring"
            ),
        ),
        Keyring::NoKeyring | Keyring::NoCollection => {
            told(what, Level::Off, format!("{seen_as}: nothing ends with it"))
        }
        Keyring::Silent => {
            told(what, Level::Degraded, format!("{seen_as}: no session ends with it until it does"))
        }
    }
}

/// Whether the password opens the vault only with the keyring; `None` if there is none, or it cannot be read.
fn bound(state: &State) -> Option<bool> {
    let input = super::device::input_of(&*state.vault()?).ok()?;
    Some(input.device().is_some())
}

fn device_key(bound: Option<bool>, seen: session::Keyring) -> Protection<'static> {
    use session::Keyring;
    let what = "device key";
    match (bound, seen) {
        (None, _) => line(what, Level::Off, "there is no vault yet that could be bound to one"),
        (Some(false), Keyring::Unlocked) => line(
            what,
            Level::Off,
            "who has the vault's file can guess the master password. To take a key in your keyring for it, too: ctl \
             storage migrate",
        ),
        (Some(false), _) => line(
            what,
            Level::Off,
            "who has the vault's file can guess the master password, and no keyring is open that could have a key for it",
        ),
        (Some(true), Keyring::Unlocked) => line(
            what,
            Level::On,
            "the master password opens the vault only with the key in your keyring. Whether that is there: ctl storage",
        ),
        (Some(true), Keyring::Locked) => line(
            what,
            Level::Degraded,
            "the master password opens the vault only with the key in your keyring, which is locked: unlock it, or type \
             the recovery code",
        ),
        (Some(true), _) => line(
            what,
            Level::Degraded,
            "the master password opens the vault only with the key in your keyring, which cannot be reached (see the \
             line of it): mend that, or type the recovery code",
        ),
    }
}

fn older_vaults(bound: Option<bool>, kept: bool, why_not: Option<String>) -> Protection<'static> {
    let what = "older vaults";
    match (bound, kept, why_not) {
        (None, ..) => {
            line(what, Level::Off, "there is no vault yet that an older one could take the place of")
        }
        (Some(false), ..) => line(
            what,
            Level::Degraded,
            "one that is put back is refused, unless the audit log of its day is put back with it. To have your keyring \
             know the newest, too: ctl storage migrate",
        ),
        (Some(true), true, _) => line(
            what,
            Level::On,
            "one that is put back is refused: the audit log and your keyring know the newest state of the vault",
        ),
        (Some(true), false, Some(why_not)) => told(
            what,
            Level::Degraded,
            format!("only the audit log knows the newest state of the vault: {why_not}"),
        ),
        (Some(true), false, None) => line(
            what,
            Level::Degraded,
            "the keyring is told the newest state of the vault when a session begins; until then it may know an older one",
        ),
    }
}

fn sleep_and_logout(heard: session::Logind, heed: Option<logind::Heed>) -> Protection<'static> {
    use session::Logind;
    let what = "sleep and logout";
    let mend = "the session ends when the daemon's clock next ticks after a sleep, or by ctl lock";
    match (heard, heed) {
        (_, Some(heed)) if !heed.is_any() => line(
            what,
            Level::Off,
            "nothing ends with them. Change it: ctl settings set sleep lock, … logout lock",
        ),
        (Logind::Unwatched, _) => line(what, Level::Off, "listened to only while a session is open"),
        (Logind::NoBus, _) => told(
            what,
            Level::Off,
            format!("there is no system bus where the daemon was started, or it does not answer: {mend}"),
        ),
        (Logind::NoLogind, _) => {
            told(what, Level::Off, format!("no logind runs on the system bus that tells of them: {mend}"))
        }
        (Logind::Silent, _) => {
            told(what, Level::Degraded, format!("logind does not answer: until it does, {mend}"))
        }
        (_, Some(logind::Heed { sleep: false, .. })) => line(
            what,
            Level::Degraded,
            "the session ends when you log out, and not before the machine sleeps. Change it: ctl settings set sleep \
             lock",
        ),
        (Logind::Undelayed, _) => line(
            what,
            Level::Degraded,
            "the session ends then, but logind would not have the machine wait for that (loginctl, polkit: \
             inhibit-delay-sleep)",
        ),
        (Logind::Watched, Some(logind::Heed { logout: false, .. })) => line(
            what,
            Level::Degraded,
            "the key is wiped before the machine sleeps, and a logout changes nothing. Change it: ctl settings set \
             logout lock",
        ),
        (Logind::Watched, _) => {
            line(what, Level::On, "the key is wiped before the machine sleeps, and when you log out")
        }
    }
}

fn screen(paused: bool, seen: session::Screen, heed: Option<screens::Heed>) -> Protection<'static> {
    use session::Screen;
    let what = "screen";
    if paused {
        return line(
            what,
            Level::On,
            "paused: what is granted to terminals and what you answered rests until the screen opens. Or type the \
             master password: glassdome_start",
        );
    }
    match (seen, heed) {
        (_, Some(screens::Heed::Off)) => line(
            what,
            Level::Off,
            "a locked screen changes nothing. Change it: ctl settings set screen pause",
        ),
        (Screen::Unwatched, _) => line(what, Level::Off, "listened to only while a session is open"),
        (Screen::Unseen, _) => line(
            what,
            Level::Off,
            "nobody tells whether it is locked: logind with a login of yours, or a screen saver on the session bus",
        ),
        (_, Some(screens::Heed::Lock)) => line(what, Level::On, "the session ends when it locks"),
        (_, _) => line(
            what,
            Level::On,
            "while it is locked, what is granted to terminals and what you answered rests; rules and handles go on",
        ),
    }
}

fn audit(log: Audit, sealed: bool, linked: bool) -> Protection<'static> {
    let what = "audit log";
    match (log, sealed, linked) {
        (Audit::Alarm, _, _) => line(
            what,
            Level::Off,
            "there is an alarm that nobody has accepted. What it was, and what became of it: ctl audit. Whether this \
             log holds: ctl audit verify. If you know why, or have looked: ctl audit accept",
        ),
        (_, false, _) => line(
            what,
            Level::Degraded,
            "written before each answer, chained, and remembered by the vault, but not sealed: who has the vault's \
             password can write it anew. Make an auditor's key: ctl audit new-key",
        ),
        (_, true, false) => line(
            what,
            Level::Degraded,
            "the seals of this run do not go on from the run before: its link, audit.link, was missing or did not \
             fit. An auditor is told",
        ),
        (Audit::Unmet, true, true) => line(
            what,
            Level::On,
            "written before each answer, chained and sealed; compared with what the vault remembers at the next unlock",
        ),
        (_, true, true) => {
            line(what, Level::On, "written before each answer, chained, sealed, and remembered by the vault")
        }
    }
}

fn phishing(stamped: bool) -> Protection<'static> {
    let why = match stamped {
        true => {
            "installed programs send a password to this daemon only, but a fake glassdome_start earlier in \
             PATH could still ask for it: type its whole path where you doubt"
        }
        false => {
            "programs are not stamped: a fake daemon or a fake glassdome_start could be told your password"
        }
    };
    line("phishing", Level::Degraded, why)
}

fn memory(level: Option<MemoryLevel>) -> Protection<'static> {
    let what = "memory of the key";
    match level {
        Some(MemoryLevel::Secret) => {
            line(what, Level::On, "memfd_secret: out of reach of root's ordinary means too")
        }
        Some(MemoryLevel::Locked) => line(
            what,
            Level::Degraded,
            "mlock: not swapped, not dumped, but root can read it. memfd_secret needs Linux 5.14 (before 6.5: secretmem.enable=1)",
        ),
        None => line(
            what,
            Level::Off,
            "no memory can be locked, so no session can be opened. Raise the limit: ulimit -l 64, or LimitMEMLOCK=64K",
        ),
    }
}

fn privileges() -> Protection<'static> {
    match harden::no_new_privileges() {
        true => line("privileges", Level::On, "no new privileges for the daemon and whatever it starts"),
        false => line("privileges", Level::Off, "the kernel does not report no_new_privs"),
    }
}

fn descriptors(refused: bool) -> Protection<'static> {
    let what = "passed descriptors";
    match refused {
        true => line(what, Level::On, "refused by the kernel (SO_PASSRIGHTS)"),
        false => line(
            what,
            Level::Degraded,
            "a program of yours can pass a lingering socket and stall the daemon. SO_PASSRIGHTS needs Linux 6.16",
        ),
    }
}
