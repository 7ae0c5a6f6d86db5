//! Names that somebody else chose, within a line of ours: told so that they cannot pass for its own
//! text, and typed so that every shell takes them for one word. What neither holds for is left out.

use glassdome_proto::{limits, shows_as_itself, stands_in_quotes};

/// How much of a name is shown, in characters.
const SHOWN: usize = 40;
/// How long the name of a secret may be that is shown whole, in bytes: it has no spaces then.
const SHOWN_WHOLE: usize = 120;
/// How long a path may be that is typed out, in bytes, with its quotes.
const TYPED: usize = 160;

/// A name in a sentence: in quotation marks unless it is a plain word, and cut.
pub fn shown(name: &str) -> String {
    if !name.is_empty() && name.len() <= SHOWN && name.bytes().all(is_tame) {
        return name.to_owned();
    }
    in_quotation_marks(name, SHOWN)
}

/// The first `most` characters of a name, in quotation marks.
fn in_quotation_marks(name: &str, most: usize) -> String {
    let mut before = None;
    let mut chars = name.chars().map(|c| if stands_in_quotes(before.replace(c), c) { c } else { '?' });
    let start: String = chars.by_ref().take(most).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    format!("“{start}{rest}”")
}

/// The file of a path in a sentence: without its directories.
pub fn shown_file(path: &str) -> String {
    shown(path.rsplit('/').next().unwrap_or_default())
}

/// A path in a sentence: longer than a name, since what matters of it may stand at its end.
pub fn shown_path(path: &str) -> String {
    if path.len() <= TYPED && path.bytes().all(|byte| is_tame(byte) || byte == b'/') {
        return path.to_owned();
    }
    in_quotation_marks(path, TYPED)
}

/// The name of a secret in a sentence.
pub fn shown_secret(name: &str) -> String {
    let whole = !name.is_empty() && name.len() <= SHOWN_WHOLE;
    if whole && name.bytes().all(|byte| is_tame(byte) || byte == b'/') {
        return name.to_owned();
    }
    shown(name)
}

/// An absolute path as it is typed, if it can be.
pub fn path(path: &str) -> Option<String> {
    quoted(path).filter(|word| path.starts_with('/') && word.len() <= TYPED && !imitates(path))
}

/// The narrowest glob that covers the name of a secret, as an option that is typed: whatever would mean
/// more than itself there, or cannot be typed, is any one character.
pub fn secrets(name: &str) -> String {
    let imitates = imitates(name);
    let any = |c: char| matches!(c, '*' | ',') || !is_read_alike(c) || imitates && matches!(c, ' ' | ':');
    let mut glob = name.replace(any, "?");
    if in_quotes(&glob).len() > limits::NAME + 2 {
        glob = glob.replace('\'', "?");
    }
    let word = in_quotes(&glob);
    if name.starts_with('-') { format!("--secrets={word}") } else { format!("--secrets {word}") }
}

/// As every shell takes it. `None` where they differ, or where what is seen is not what is there.
pub fn quoted(word: &str) -> Option<String> {
    word.chars().all(is_read_alike).then(|| in_quotes(word))
}

/// Whether it has the beginning of a command in it, as lines of ours tell one: whoever pastes from there
/// on would type another.
fn imitates(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    ["allow:", "ctl ", ": "].iter().any(|begins| word.contains(begins))
}

fn in_quotes(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn is_tame(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._+-".contains(&byte)
}

/// Within single quotes a backslash stands for itself in POSIX shells, and escapes in fish, which has a use
/// of its own for private characters and for U+FDD0 onwards.
fn is_read_alike(c: char) -> bool {
    c != '\\' && shows_as_itself(c)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn plain_words_stay_as_they_are() {
        for name in ["bash", "python3.11", "x86_64-linux-g++", "it_"] {
            assert_eq!(shown(name), name);
        }
        assert_eq!(shown_file("/home/u/deploy.py"), "deploy.py");
        assert_eq!(shown_secret("shop/dev/API_TOKEN"), "shop/dev/API_TOKEN");
        assert_eq!(shown(""), "“”");
        assert_eq!(shown("npm install"), "“npm install”");
        assert_eq!(shown("ключ 🔑"), "“ключ 🔑”");
    }

    #[test]
    fn a_name_cannot_pass_for_text_around_it() {
        let forged = "x” ran it. Allow: ctl policy allow --secrets '**' --script /tmp/evil.py";
        let told = shown(forged);
        assert_eq!(told, "“x? ran it. Allow: ctl policy allow --sec…”");
        assert_eq!(shown_secret(forged), told);
        assert_eq!(shown("a\"b″c\u{ff02}d\u{202e}e\nf\u{ad}\u{f600}"), "“a?b?c?d?e?f??”");
        assert_eq!(shown("x          hard      user 0"), "“x ?????????hard ?????user 0”");
        assert_eq!(shown("git \u{30e}: א"), "“git ?: ?”");
        assert_eq!(shown_path("/home/u/My Files/deploy.py"), "“/home/u/My Files/deploy.py”");
        assert_eq!(shown(&"x".repeat(41)), format!("“{}…”", "x".repeat(40)));
    }

    #[test]
    fn what_cannot_be_typed_is_any_character_of_a_name_and_no_path() {
        assert_eq!(secrets(r"a\b*c,d"), "--secrets 'a?b?c?d'");
        assert_eq!(secrets("a\u{ad}b\u{f601}"), "--secrets 'a?b?'");
        assert_eq!(secrets("it's"), r"--secrets 'it'\''s'");
        assert_eq!(secrets("-a"), "--secrets='-a'");
        assert_eq!(secrets("a b"), "--secrets 'a b'");
        assert_eq!(secrets("a. Allow: ctl stop"), "--secrets 'a.?Allow??ctl?stop'");
        assert!(secrets(&"'".repeat(limits::NAME)).len() <= limits::NAME + 14);
        for not in [
            r"/a\",
            r"/a\'; touch pwned; #",
            "/a\u{202e}",
            "/a\nb",
            "/\u{fdd0}",
            "a",
            "/Allow:x",
            "/ctl stop",
            "/Type: x",
        ] {
            assert_eq!(path(not), None, "{not}");
        }
        assert_eq!(path("/home/ключ/it's 🔑").as_deref(), Some(r"'/home/ключ/it'\''s 🔑'"));
    }

    /// Read as a person's lines are: with history expansion where a shell has it.
    fn read_by(shell: &[&str], words: &[String]) -> Option<Vec<String>> {
        let found = Command::new("/bin/sh").args(["-c", "command -v -- \"$1\" >&2", "sh", shell[0]]).output();
        if !found.expect("sh runs").status.success() {
            assert!(std::env::var_os("CI").is_none(), "CI has {}", shell[0]);
            eprintln!("LEFT OUT: words as {} reads them, since there is no {0}", shell[0]);
            return None;
        }
        // A session of its own: what takes itself for interactive finds no terminal to fight for.
        let mut child = Command::new("setsid")
            .arg("-w")
            .args(shell)
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it is there");
        let mut stdin = child.stdin.take().expect("it is piped");
        let lines: Vec<String> = words.iter().map(|word| format!("printf '<%s>\\n' {word} end\n")).collect();
        let writer = std::thread::spawn(move || stdin.write_all(lines.concat().as_bytes()));
        let out = child.wait_with_output().expect("it ends");
        writer.join().expect("no panic").expect("it reads all");
        let text = String::from_utf8(out.stdout).expect("it printed what it was given");
        Some(text.split("\n<end>\n").map(str::to_owned).collect())
    }

    #[test]
    fn every_shell_reads_a_word_that_is_typed_as_what_it_stands_for() {
        let ascii: String = (' '..='~').collect();
        let mut plain: Vec<String> = ascii.chars().map(String::from).collect();
        for c in ascii.chars() {
            plain.push(format!("/a{c}b"));
            plain.push(format!("{c}'; echo pwned; #"));
            plain.push(format!("'{c}'{c}{c}''$(echo pwned)`echo pwned`"));
            plain.push(format!("!{c}!!{c}~ = % ^a^b {{a,b}} *?[a-z]{c}"));
        }
        plain.extend([ascii.clone(), ascii.replace('\\', ""), "'".repeat(5), "ключ データ 🔑".into()]);
        let (typed, meant): (Vec<_>, Vec<_>) =
            plain.into_iter().filter_map(|word| Some((quoted(&word)?, format!("<{word}>")))).unzip();
        assert!(meant.len() > 450, "only a backslash is not typed: {}", meant.len());
        let shells: [&[&str]; 4] = [
            &["bash", "--norc", "--noprofile", "-H", "-o", "history"],
            &["zsh", "-f", "-i", "+m"],
            &["fish", "--no-config"],
            &["dash"],
        ];
        for shell in shells {
            let Some(mut read) = read_by(shell, &typed) else { continue };
            assert_eq!(read.pop().as_deref(), Some(""), "{}", shell[0]);
            for (meant, read) in meant.iter().zip(&read) {
                assert_eq!(meant, read, "{}", shell[0]);
            }
            assert_eq!(read.len(), meant.len(), "{}", shell[0]);
        }
    }
}
