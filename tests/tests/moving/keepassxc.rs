//! A database of the real KeePassXC, exported by its own program.

use std::path::Path;

use glassdome_tests::{World, text};

use crate::{holds, moves_on, taken_in};

const DATABASE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>
<KeePassFile><Meta><Generator>test</Generator><DatabaseName>mine</DatabaseName></Meta><Root><Group>
<UUID>bTp8ThsvTF2OnwobLD1OXw==</UUID><Name>Passwords</Name>
<Entry><UUID>AAAAAAAAAAAAAAAAAAAAAQ==</UUID>
<String><Key>Title</Key><Value>bank, \"the\" one</Value></String><String><Key>UserName</Key><Value>ann</Value></String>
<String><Key>Password</Key><Value>a,b\"c\\d'e</Value></String><String><Key>URL</Key><Value>https://bank.example</Value></String>
<String><Key>Notes</Key><Value>line 1
\"line\", 2

line 4</Value></String></Entry>
<Group><UUID>AAAAAAAAAAAAAAAAAAAAAg==</UUID><Name>Web</Name>
<Group><UUID>AAAAAAAAAAAAAAAAAAAAAw==</UUID><Name>Mail</Name>
<Entry><UUID>AAAAAAAAAAAAAAAAAAAABA==</UUID><String><Key>Title</Key><Value>päss</Value></String>
<String><Key>UserName</Key><Value></Value></String><String><Key>Password</Key><Value>ключ 🔑</Value></String></Entry>
<Entry><UUID>AAAAAAAAAAAAAAAAAAAABQ==</UUID><String><Key>Title</Key><Value>päss</Value></String>
<String><Key>UserName</Key><Value></Value></String><String><Key>Password</Key><Value>another</Value></String></Entry>
</Group></Group></Group></Root></KeePassFile>";

const HELD: [(&str, &str, &[u8]); 7] = [
    ("bank, \"the\" one", "", b"a,b\"c\\d'e"),
    ("bank, \"the\" one", "username", b"ann"),
    ("bank, \"the\" one", "url", b"https://bank.example"),
    ("bank, \"the\" one", "notes", b"line 1\n\"line\", 2\n\nline 4"),
    ("Web/Mail/päss", "", "ключ 🔑".as_bytes()),
    ("Web/Mail/päss (2)", "", b"another"),
    ("extra", "", b"added"),
];

#[test]
fn a_database_comes_in_by_its_own_export_and_leaves_again() {
    let world = World::unlocked();
    let (xml, database) = (world.file("mine.xml", DATABASE), world.home("mine.kdbx"));
    let cli = |args: &[&str]| {
        let run = world.program(Path::new("/usr/bin/keepassxc-cli"), args);
        run.env("QT_QPA_PLATFORM", "offscreen")
    };
    cli(&["import", "--set-password", text(&xml), text(&database)]).stdin("database\ndatabase\n").ok();
    cli(&["add", "-p", text(&database), "extra"]).stdin("database\nadded\n").ok();
    let csv = cli(&["export", "-f", "csv", text(&database)]).stdin("database\n").ok();
    let file = world.file("all.csv", &csv);

    // From the file, and as people pipe it.
    let told = taken_in(&world, &[text(&file)]);
    assert!(
        told.starts_with("4 in, 1 of one name told apart (Web/Mail/päss as Web/Mail/päss (2))\n"),
        "{told}"
    );
    holds(&world, &HELD);
    let piped = world.ctl(&["import", "-"]).stdin(csv).output();
    assert_eq!((piped.code, piped.stderr.lines().count()), (0, 1), "{}", piped.stderr);
    assert!(piped.stderr.starts_with("4 in (4 the same already)"), "{}", piped.stderr);
    moves_on(&world, &HELD);
}

#[test]
fn a_row_that_is_cut_short_stores_nothing() {
    let world = World::unlocked();
    let csv = "\"Group\",\"Title\",\"Username\",\"Password\",\"URL\",\"Notes\"\n\"R\",\"a\",\"u\",\"p\",\"\",\"\"\n\"R\",\"b\"\n";
    let line = world.ctl(&["import", text(&world.file("x.csv", csv))]).refused(2);
    assert!(line.contains("x.csv is not read: line 3: another number of columns"), "{line}");
    assert_eq!(world.ctl(&["list"]).ok(), b"");
}
