//! Reads the CSV that KeePass programs write.
//!
//! | by | columns | a quote in a field |
//! |---|---|---|
//! | KeePassXC, also `keepassxc-cli export -f csv` | `Group`, `Title`, `Username`, `Password`, `URL`, `Notes`, then as its version has them `TOTP`, `Icon`, `Last Modified`, `Created` | doubled |
//! | KeePass 1, and KeePass 2 as *KeePass CSV (1.x)* | `Account`, `Login Name`, `Password`, `Web Site`, `Comments` | behind a backslash |
//!
//! The former's group is a path that begins with the database's own name, which all rows share and no secret needs.
//! Sources: `CsvExporter.cpp` of KeePassXC; <https://keepass.info/help/base/importexport.html>.

use super::content_builder::ContentBuilder;
use super::csv::{NotCsv, Quoting, Rows};
use super::segment::path;
use super::{Content, Item, Parsed, Place, Value};

const XC: [&str; 6] = ["Group", "Title", "Username", "Password", "URL", "Notes"];
const XC_MORE: [&str; 4] = ["TOTP", "Icon", "Last Modified", "Created"];
const KEEPASS: [&str; 5] = ["Account", "Login Name", "Password", "Web Site", "Comments"];

/// Whose columns a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    KeePassXc { columns: usize },
    KeePass,
}

/// Whether the first line is one that these programs write.
pub(crate) fn is_one(file: &[u8]) -> bool {
    writer(file).is_some()
}

fn writer(file: &[u8]) -> Option<Writer> {
    // No name of a column needs an escape: both read it alike.
    let (_, heading) = Rows::new(file, Quoting::Doubled).next().ok()??;
    let heading: Vec<&str> =
        heading.iter().map(|name| std::str::from_utf8(name)).collect::<Result<_, _>>().ok()?;
    if heading == KEEPASS {
        return Some(Writer::KeePass);
    }
    let (six, more) = heading.split_at_checked(XC.len())?;
    (six == XC && XC_MORE.starts_with(more)).then_some(Writer::KeePassXc { columns: heading.len() })
}

/// Reads a whole file.
///
/// # Errors
/// [`NotCsv`] with the line: it is not read at all then.
pub(crate) fn parse(file: &[u8]) -> Result<Parsed<Content>, NotCsv> {
    let writer =
        writer(file).ok_or(NotCsv { line: 1, reason: "no columns as KeePassXC or KeePass write them" })?;
    let (quoting, columns) = match writer {
        Writer::KeePassXc { columns } => (Quoting::Doubled, columns),
        Writer::KeePass => (Quoting::Backslash, KEEPASS.len()),
    };
    let mut rows = Rows::new(file, quoting);
    rows.next()?;
    let mut entries = Vec::new();
    while let Some((line, row)) = rows.next()? {
        if row.len() != columns {
            return Err(NotCsv { line, reason: "another number of columns than in the first line" });
        }
        let name = if writer == Writer::KeePass { 0 } else { 1 };
        for text in &row[..=name] {
            std::str::from_utf8(text)
                .map_err(|_| NotCsv { line, reason: "a title or group that is not UTF-8" })?;
        }
        entries.push((line, row));
    }
    let mut parsed = Parsed::default();
    let shared = if writer == Writer::KeePass { None } else { shared_group(&entries) };
    let mut over = 0;
    for (line, row) in entries {
        let (key, content) = match writer {
            Writer::KeePass => keepass(row),
            Writer::KeePassXc { .. } => keepassxc(row, shared.as_deref()),
        };
        over += content.over();
        match content.content() {
            Some(value) => parsed.items.push(Item { place: Place::Line(line), key, value }),
            None => parsed.skip(Place::Line(line), "nothing in it"),
        }
    }
    if over > 0 {
        parsed.details.push((over, "fields without room or with an impossible name"));
    }
    Ok(parsed)
}

/// The first part of the groups, if it is the same in all.
fn shared_group(entries: &[(usize, Vec<Value>)]) -> Option<String> {
    let first = |row: &[Value]| text(&row[0]).split('/').next().unwrap_or_default().to_owned();
    let shared = first(&entries.first()?.1);
    entries.iter().all(|(_, row)| first(row) == shared).then_some(shared)
}

/// What was seen to be UTF-8.
fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap_or_default()
}

fn keepassxc(row: Vec<Value>, shared: Option<&str>) -> (String, ContentBuilder) {
    let group = text(&row[0]);
    let group = shared.and_then(|shared| group.strip_prefix(shared)).unwrap_or(group);
    let key = path(group, text(&row[1]));
    let mut row = row.into_iter().skip(2);
    let mut content = ContentBuilder::default();
    content.user(row.next());
    content.value(row.next());
    for name in ["url", "notes", "totp"] {
        content.field_if_any(name, row.next());
    }
    (key, content)
}

fn keepass(row: Vec<Value>) -> (String, ContentBuilder) {
    let key = path("", text(&row[0]));
    let mut row = row.into_iter().skip(1);
    let mut content = ContentBuilder::default();
    content.user(row.next());
    content.value(row.next());
    for name in ["url", "notes"] {
        content.field_if_any(name, row.next());
    }
    (key, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(file: &str) -> Vec<String> {
        let field = |(name, value): &(glassdome_proto::Field<'_>, Value)| format!("{name}={}", text(value));
        let one = |item: &Item<Content>| {
            let value = item.value.value.as_ref().map_or("-", |value| text(value));
            let fields = item.value.rest.iter().flat_map(|rest| &rest.fields).map(field);
            format!("{}: {} {value} {}", item.place, item.key, fields.collect::<Vec<_>>().join(" "))
        };
        parse(file.as_bytes()).unwrap().items.iter().map(one).collect()
    }

    #[test]
    fn keepassxc_with_and_without_its_later_columns() {
        let six = "\"Group\",\"Title\",\"Username\",\"Password\",\"URL\",\"Notes\"";
        let file = format!(
            "{six},\"TOTP\",\"Icon\",\"Last Modified\",\"Created\"\n\
            \"Root\",\"a/b\",\"ann\",\"p\"\"w\",\"u\",\"n\nm\",\"otpauth://x\",\"0\",\"2026\",\"2025\"\n\
            \"Root/Work/Bank\",\"x\",\"\",\"\",\"\",\"only notes\",\"\",\"0\",\"2026\",\"2025\"\n"
        );
        assert_eq!(
            told(&file),
            [
                "line 2: a%2Fb p\"w username=ann url=u notes=n\nm totp=otpauth://x",
                "line 4: Work/Bank/x - notes=only notes"
            ]
        );
        assert_eq!(
            told(&format!("{six}\n\"A\",\"t\",\"\",\"p\",\"\",\"\"\n\"B\",\"t\",\"\",\"q\",\"\",\"\"")),
            ["line 2: A/t p ", "line 3: B/t q "]
        );
    }

    #[test]
    fn keepass_escapes_by_backslash() {
        let file = "\"Account\",\"Login Name\",\"Password\",\"Web Site\",\"Comments\"\r\n\
            \"t\",\"u\",\"a\\\"b\\\\c\",\"\",\"x\r\ny\"\r\n\"e\",\"\",\"\",\"\",\"\"\r\n";
        assert_eq!(told(file), ["line 2: t a\"b\\c username=u notes=x\r\ny"]);
        assert_eq!(parse(file.as_bytes()).unwrap().skipped.len(), 1, "nothing is in the last");
    }

    #[test]
    fn a_file_that_is_not_whole_is_not_read() {
        let heading = "Group,Title,Username,Password,URL,Notes\n";
        for (file, line) in
            [("a,b\n", 1), (&format!("{heading}g,t,u,p,u\n"), 2), (&format!("{heading}g,t,\"u"), 2)]
        {
            assert_eq!(parse(file.as_bytes()).err().map(|error| error.line), Some(line), "{file}");
        }
        assert!(is_one(heading.as_bytes()) && !is_one(b"name,url,username,password\n"));
        assert_eq!(
            parse(&[heading.as_bytes(), b"\xff,t,u,p,u,n"].concat()).err().map(|error| error.line),
            Some(2)
        );
    }
}
