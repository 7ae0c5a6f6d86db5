//! What the daemon sees of a process, so that a person can judge by it: the chain as a tree from the
//! outermost ancestor down, then the evidence by its strength, then what follows from it.
//!
//! ```text
//! systemd (1)
//! └─ bash (4700)                              ◀ rules are about this one
//!    └─ ctl (4712)
//! ```
//! In quotes stands what a process says of itself, and each name that is not plain; all else is the kernel's
//! word.

use std::fmt::Write;

use glassdome_proto::policy::{Exe, Ours, Picture, Process, Script};

use super::escape::{escaped, name, quoted};
use super::hex::short;
use super::style::Style;
use super::time;

/// Draws it.
pub(crate) fn draw(picture: &Picture<'_>, style: Style) -> String {
    let mut text = tree(picture, style);
    text.push('\n');
    let mut line = |key: &str, value: &str| {
        // Writing to a string does not fail.
        writeln!(text, "{key:<12}{value}").ok();
    };
    if let (Some(asks), Some(ours)) = (picture.chain.first(), picture.client) {
        line("client", &client(asks, ours, style));
    }
    if let Some(subject) = picture.chain.get(usize::from(picture.subject)) {
        line("subject", &style.strong(&label(subject)));
        line("  hard", &format!("user {}", subject.uid));
        line("  firm", &firm(subject));
        line("  weak", &weak(subject.exe.as_ref()));
        if let Some(words) = words(subject) {
            line("  its word", &words);
        }
    }
    if let Some(claims) = &picture.claims {
        let words = format!("{} {}", quoted(&claims.client), quoted(&claims.version));
        line("calls itself", &format!(" {words}"));
    }
    text.push('\n');
    text.push_str(&verdict(picture, style));
    text
}

fn tree(picture: &Picture<'_>, style: Style) -> String {
    let mut text = String::new();
    for (depth, (place, process)) in picture.chain.iter().enumerate().rev().enumerate() {
        if depth > 0 {
            text.extend(std::iter::repeat_n("   ", depth - 1));
            text.push_str("└─ ");
        }
        let is_subject = place == usize::from(picture.subject);
        let name = label(process);
        text.push_str(&if is_subject { style.strong(&name) } else { name });
        let notes = notes(process);
        if !notes.is_empty() {
            text.push_str("  ");
            text.push_str(&style.faint(&notes.join(", ")));
        }
        if is_subject {
            text.push_str("  ");
            text.push_str(&style.good("◀ rules are about this one"));
        }
        text.push('\n');
    }
    text
}

/// `python3.13 (4711)`: the name of the file that was executed, or in quotes what the process calls
/// itself.
pub(crate) fn label(process: &Process<'_>) -> String {
    let file = process.exe.as_ref().and_then(|exe| exe.path.rsplit('/').next());
    let told = match file.filter(|file| !file.is_empty()) {
        Some(file) => name(file),
        None => quoted(&process.name),
    };
    format!("{told} ({})", process.pid)
}

fn notes(process: &Process<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(script) = &process.script {
        notes.push(quoted(&script.path));
    }
    if process.forked {
        notes.push("a fork".to_owned());
    }
    if process.launcher {
        notes.push("a launcher, passed over".to_owned());
    }
    notes
}

fn client(process: &Process<'_>, ours: Ours, style: Style) -> String {
    let label = label(process);
    match ours {
        Ours::Stamp => format!("{label} is installed: {} (hard)", style.good("it has the stamp")),
        Ours::File => format!("{label} is installed: {} (weak)", style.careful("known by its file")),
    }
}

pub(crate) fn firm(process: &Process<'_>) -> String {
    let tty = if process.tty.is_empty() { "no terminal".into() } else { escaped(&process.tty) };
    let session = match process.session {
        0 => "session out of sight".to_owned(),
        session => format!("session {session}"),
    };
    format!("{tty}, {session}, runs since {}", time::date_time(process.started))
}

pub(crate) fn weak(exe: Option<&Exe<'_>>) -> String {
    let Some(exe) = exe else { return "its file cannot be seen".to_owned() };
    let who = match (exe.writable, exe.owner) {
        (false, _) => "only root can change it".to_owned(),
        (true, owner) => format!("can be changed without root, owner {owner}"),
    };
    let digest = exe.sha256.map_or_else(String::new, |digest| format!(", sha256 {}", short(&digest)));
    format!("{}: {who}{digest}", name(&exe.path))
}

/// What the subject says of itself; nothing if that is no more than the name of its file.
pub(crate) fn words(process: &Process<'_>) -> Option<String> {
    let file = process.exe.as_ref().and_then(|exe| exe.path.rsplit('/').next());
    let named = (file != Some(&process.name)).then(|| format!("named {}", quoted(&process.name)));
    let script = process.script.as_ref().map(script);
    let words: Vec<String> = [script, named].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn script(script: &Script<'_>) -> String {
    let digest = match script.sha256 {
        Some(digest) => format!("sha256 {}", short(&digest)),
        None => "its bytes were not read".to_owned(),
    };
    format!("runs {}, {digest}", quoted(&script.path))
}

/// What follows: the grant, the rules, and what is missing.
fn verdict(picture: &Picture<'_>, style: Style) -> String {
    let mut text = String::new();
    if let Some(grant) = picture.grant {
        let word = style.good("granted");
        writeln!(text, "{word}: typed in a terminal where the master password was typed (grant {grant})")
            .ok();
    }
    if !picture.rules.is_empty() {
        let ids: Vec<String> = picture.rules.iter().map(|id| name(id)).collect();
        writeln!(text, "{}: {}", style.good("rules"), ids.join(", ")).ok();
    }
    if let Some(missing) = &picture.missing {
        writeln!(text, "{}: {}", style.careful("missing"), escaped(missing)).ok();
    }
    if text.is_empty() {
        text = format!("{}: no grant and no rule covers it\n", style.careful("missing"));
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use glassdome_proto::policy::Claims;
    use glassdome_proto::{List, Text};

    use super::*;

    fn text<const MAX: usize>(text: &str) -> Text<'static, MAX> {
        Text::new(text.to_owned()).unwrap()
    }

    fn process(pid: u32, path: &str) -> Process<'static> {
        let exe = Exe { path: text(path), dev: 1, ino: 2, owner: 0, writable: false, sha256: None };
        Process {
            pid,
            uid: 1000,
            started: 1_795_348_800,
            name: text(path.rsplit('/').next().unwrap()),
            session: 4700,
            tty: text("pts/3"),
            forked: false,
            launcher: false,
            exe: Some(exe),
            script: None,
        }
    }

    /// `ctl`, typed behind `env` in a shell.
    pub(crate) fn typed() -> Picture<'static> {
        let chain = vec![
            process(4712, "/usr/bin/ctl"),
            Process { launcher: true, ..process(4711, "/usr/bin/env") },
            process(4700, "/usr/bin/bash"),
            Process { exe: None, session: 0, tty: text(""), ..process(1, "systemd") },
        ];
        Picture {
            chain: List::new(chain).unwrap(),
            subject: 2,
            client: Some(Ours::Stamp),
            claims: Some(Claims { client: text("glassdome-client"), version: text("0.1.0") }),
            grant: Some(3),
            missing: None,
            rules: List::new(Vec::new()).unwrap(),
        }
    }

    /// A script that nobody knows, and that tries to look otherwise.
    pub(crate) fn stranger() -> Picture<'static> {
        let script = Script { path: text("/tmp/x\x1b[2J.py"), sha256: Some([0xab; 32]) };
        let python = process(4711, "/home/u/.venv/bin/python3");
        let exe = Exe { owner: 1000, writable: true, ..python.exe.clone().unwrap() };
        let python = Process { name: text("bash"), exe: Some(exe), script: Some(script), ..python };
        Picture {
            chain: List::new(vec![python, process(4700, "/usr/bin/bash")]).unwrap(),
            subject: 0,
            client: None,
            claims: None,
            grant: None,
            missing: Some(text("no rule covers it")),
            ..typed()
        }
    }

    #[test]
    fn what_was_typed_is_drawn_with_its_grant() {
        let drawn = draw(&typed(), Style::plain());
        let expected = "\
\"systemd\" (1)
└─ bash (4700)  ◀ rules are about this one
   └─ env (4711)  a launcher, passed over
      └─ ctl (4712)

client      ctl (4712) is installed: it has the stamp (hard)
subject     bash (4700)
  hard      user 1000
  firm      pts/3, session 4700, runs since ";
        assert!(drawn.starts_with(expected), "{drawn}");
        let rest = "
  weak      /usr/bin/bash: only root can change it
calls itself \"glassdome-client\" \"0.1.0\"

granted: typed in a terminal where the master password was typed (grant 3)
";
        assert!(drawn.ends_with(rest), "{drawn}");
    }

    #[test]
    fn words_stand_in_quotes_and_cannot_steer() {
        let drawn = draw(&stranger(), Style::plain());
        for line in [
            "└─ python3 (4711)  \"/tmp/x\\u{1b}[2J.py\"  ◀ rules are about this one\n",
            "  weak      /home/u/.venv/bin/python3: can be changed without root, owner 1000\n",
            "  its word  runs \"/tmp/x\\u{1b}[2J.py\", sha256 abababababababab…, named \"bash\"\n",
            "\nmissing: no rule covers it\n",
        ] {
            assert!(drawn.contains(line), "{line}{drawn}");
        }
        assert!(!drawn.contains('\x1b'));
    }

    #[test]
    fn a_subject_that_is_not_in_the_chain_is_not_drawn() {
        let broken = Picture { subject: 200, ..stranger() };
        assert!(!draw(&broken, Style::plain()).contains('◀'));
    }
}
