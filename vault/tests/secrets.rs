//! Secrets are set, read, changed, removed, restored and renamed, and each version is what it was.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use glassdome_vault::{
    Edit, EntryId, Error, Expect, Expires, Info, KEPT_VERSIONS, MAX_FIELDS, MAX_SECRET, Vault, VersionKind,
};
use support::{NOW, fresh, present, value_edit};

#[test]
fn any_bytes_under_any_name_come_back() {
    let it = fresh();
    let large = vec![0xA5; MAX_SECRET];
    let all: Vec<u8> = (0..=255).collect();
    let cases: [(&str, &[u8]); 6] = [
        ("empty", b""),
        ("binary", &all),
        ("пароль/почта", "ключ".as_bytes()),
        ("密码 🔑", b"\0\0"),
        ("naïve", b"x\n"),
        ("large", &large),
    ];
    for (name, value) in cases {
        assert_eq!(it.set(name, value), 1);
    }
    let path = it.path.clone();
    let (keys, directory) = (it.keys, it.directory);
    drop(it.vault);
    let vault = present(&path);
    for (name, value) in cases {
        let opened = vault.read(&keys, name).unwrap();
        assert_eq!((opened.value(), opened.version(), opened.expires()), (Some(value), 1, None), "{name}");
        let info = vault.info(&keys, name).unwrap();
        assert_eq!((info.name.as_str(), info.size), (name, Some(value.len() as u32)));
        assert_eq!((info.created, info.changed(), info.is_removed()), (NOW, NOW, false));
    }
    assert!(matches!(vault.read(&keys, "absent"), Err(Error::NotFound)));
    assert!(matches!(vault.read(&keys, "nai\u{308}ve"), Err(Error::Name)));
    drop(directory);
}

#[test]
fn fields_and_expiry_change_one_by_one() {
    let it = fresh();
    let user: [(&str, Option<&[u8]>); 2] = [("user", Some(b"ann")), ("url", Some(b"https://x"))];
    it.change(|draft| {
        draft.set("mail", Edit { fields: &user, expires: Expires::At(NOW + 5), ..Edit::default() }, NOW)
    })
    .unwrap();
    it.set("mail", b"secret");
    let fields: [(&str, Option<&[u8]>); 2] = [("user", Some(b"bob")), ("url", None)];
    it.change(|draft| draft.set("mail", Edit { fields: &fields, ..Edit::default() }, NOW + 1)).unwrap();
    let opened = it.vault.read(&it.keys, "mail").unwrap();
    assert_eq!(opened.value(), Some(&b"secret"[..]));
    assert_eq!(opened.field("user"), Some(&b"bob"[..]));
    assert_eq!(opened.field("url"), None);
    assert_eq!(opened.fields().count(), 1);
    assert_eq!((opened.version(), opened.expires()), (3, Some(NOW + 5)));
    assert_eq!(format!("{opened:?}"), "Opened { version: 3, .. }");

    let info = it.vault.info(&it.keys, "mail").unwrap();
    assert_eq!((info.fields[0].name.as_str(), info.fields[0].size, info.expires), ("user", 3, Some(NOW + 5)));
    assert!(!format!("{info:?}").contains("mail"));
    it.change(|draft| draft.set("mail", Edit { expires: Expires::Never, ..Edit::default() }, NOW)).unwrap();
    assert_eq!(it.vault.read(&it.keys, "mail").unwrap().expires(), None);
}

#[test]
fn limits_are_checked_before_anything_is_stored() {
    let it = fresh();
    let too_large = vec![0; MAX_SECRET + 1];
    let names: Vec<String> = (0..=MAX_FIELDS).map(|index| format!("f{index}")).collect();
    let many: Vec<(&str, Option<&[u8]>)> =
        names.iter().map(|name| (name.as_str(), Some(&b"v"[..]))).collect();
    let nearly = vec![0; MAX_SECRET - 2];
    let gone: [(&str, Option<&[u8]>); 1] = [("none", None)];
    let control: [(&str, Option<&[u8]>); 1] = [("a\nb", Some(b"v"))];
    let one: [(&str, Option<&[u8]>); 1] = [("ab", Some(b"v"))];
    let mut draft = it.vault.draft(&it.keys).unwrap();
    let refused = |result: Result<u64, Error>| result.unwrap_err();
    assert!(matches!(refused(draft.set("a", value_edit(&too_large), NOW)), Error::TooLarge));
    let edit = Edit { fields: &many, ..Edit::default() };
    assert!(matches!(refused(draft.set("a", edit, NOW)), Error::TooLarge));
    let edit = Edit { fields: &one, value: Some(&nearly), ..Edit::default() };
    assert!(matches!(refused(draft.set("a", edit, NOW)), Error::TooLarge));
    assert!(matches!(refused(draft.set("a", Edit::default(), NOW)), Error::Empty));
    let edit = Edit { expires: Expires::At(1), ..Edit::default() };
    assert!(matches!(refused(draft.set("a", edit, NOW)), Error::Empty));
    let edit = Edit { fields: &control, ..Edit::default() };
    assert!(matches!(refused(draft.set("a", edit, NOW)), Error::Name));
    let edit = Edit { fields: &gone, value: Some(b"v"), ..Edit::default() };
    assert!(matches!(refused(draft.set("a", edit, NOW)), Error::NotFound));
    assert!(matches!(refused(draft.set("", value_edit(b"v"), NOW)), Error::Name));
    let most = Edit { fields: &many[..MAX_FIELDS], ..Edit::default() };
    assert_eq!(draft.set("a", most, NOW).unwrap(), 1, "refused edits left nothing behind");
    it.vault.commit(draft.finish().unwrap()).unwrap();
    assert_eq!(it.vault.stats().unwrap().entries, 1);
}

#[test]
fn ten_former_versions_are_kept_and_the_eleventh_drops_the_oldest() {
    let it = fresh();
    for version in 1..=12_u64 {
        assert_eq!(it.set("s", &version.to_le_bytes()), version);
    }
    let info = it.vault.info(&it.keys, "s").unwrap();
    let versions: Vec<u64> = info.versions.iter().map(|one| one.version).collect();
    assert_eq!(versions, (2..=12).collect::<Vec<_>>());
    assert_eq!(info.versions.len(), KEPT_VERSIONS + 1);
    assert!(matches!(it.change(|draft| draft.restore("s", 1, NOW)), Err(Error::NoSuchVersion)));
    assert!(matches!(it.change(|draft| draft.restore("s", 12, NOW)), Err(Error::NoSuchVersion)));
    assert!(matches!(it.change(|draft| draft.restore("s", 13, NOW)), Err(Error::NoSuchVersion)));
    // The oldest that is kept, which its own restoring drops.
    assert_eq!(it.change(|draft| draft.restore("s", 2, NOW + 9)).unwrap(), 13);
    assert_eq!(it.value("s").unwrap().unwrap(), 2_u64.to_le_bytes());
    let info = it.vault.info(&it.keys, "s").unwrap();
    let last = info.versions.last().unwrap();
    assert_eq!((last.kind, last.time, last.size), (VersionKind::Restored, NOW + 9, 8));
    assert_eq!(info.versions[0].version, 3);
    let mut history = 0;
    it.vault
        .rows(|table, _, _| {
            history += usize::from(table == "history");
            Ok(())
        })
        .unwrap();
    assert_eq!(history, KEPT_VERSIONS);
}

#[test]
fn compare_and_set() {
    let it = fresh();
    let with = |expect| Edit { value: Some(b"v"), expect, ..Edit::default() };
    let set = |expect| it.change(|draft| draft.set("s", with(expect), NOW));
    assert!(matches!(set(Expect::Version(1)), Err(Error::Stale { current: None })));
    assert_eq!(set(Expect::New).unwrap(), 1);
    assert!(matches!(set(Expect::New), Err(Error::Exists)));
    assert_eq!(set(Expect::Version(1)).unwrap(), 2);
    assert!(matches!(set(Expect::Version(1)), Err(Error::Stale { current: Some(2) })));
    it.change(|draft| draft.remove("s", false, NOW)).unwrap();
    assert!(matches!(set(Expect::Version(3)), Err(Error::Stale { current: None })));
    assert_eq!(set(Expect::New).unwrap(), 4, "a removed name can be new again, and goes on counting");
}

#[test]
fn removed_is_gone_until_restored_and_purged_is_gone() {
    let it = fresh();
    it.set("s", b"one");
    it.change(|draft| draft.remove("s", false, NOW + 1)).unwrap();
    assert!(matches!(it.value("s"), Err(Error::NotFound)));
    assert!(it.vault.info(&it.keys, "s").unwrap().is_removed());
    assert!(matches!(it.change(|draft| draft.remove("s", false, NOW)), Err(Error::NotFound)));
    assert!(matches!(it.change(|draft| draft.restore("s", 2, NOW)), Err(Error::NoSuchVersion)));
    assert_eq!(it.change(|draft| draft.restore("s", 1, NOW)).unwrap(), 3);
    assert_eq!(it.value("s").unwrap().unwrap(), b"one");

    it.change(|draft| draft.remove("s", false, NOW)).unwrap();
    it.change(|draft| draft.remove("s", true, NOW)).unwrap();
    assert!(matches!(it.vault.info(&it.keys, "s"), Err(Error::NotFound)));
    assert!(matches!(it.change(|draft| draft.remove("s", true, NOW)), Err(Error::NotFound)));
    it.vault
        .rows(|table, _, _| {
            assert!(["header", "slots", "sealed"].contains(&table), "{table} has a row left");
            Ok(())
        })
        .unwrap();
    assert_eq!(it.set("s", b"again"), 1);
}

#[test]
fn a_new_name_keeps_the_entry_and_its_history() {
    let it = fresh();
    it.set("a", b"one");
    it.set("a", b"two");
    it.set("b", b"other");
    assert!(matches!(it.change(|draft| draft.rename("a", "b", NOW)), Err(Error::Exists)));
    assert!(matches!(it.change(|draft| draft.rename("a", "a", NOW)), Err(Error::Exists)));
    assert!(matches!(it.change(|draft| draft.rename("c", "d", NOW)), Err(Error::NotFound)));
    it.change(|draft| draft.remove("b", false, NOW)).unwrap();
    assert_eq!(it.change(|draft| draft.rename("a", "b", NOW)).unwrap(), 3);
    assert!(matches!(it.value("a"), Err(Error::NotFound)));
    assert_eq!(it.value("b").unwrap().unwrap(), b"two");
    assert_eq!(it.vault.info(&it.keys, "b").unwrap().versions[2].kind, VersionKind::Moved);
    let mut kept = 0;
    it.vault
        .rows(|table, _, _| {
            kept += u32::from(table == "meta");
            Ok(())
        })
        .unwrap();
    assert_eq!(kept, 1, "what was kept of the removed b is purged");
    it.change(|draft| draft.restore("b", 1, NOW)).unwrap();
    assert_eq!(it.value("b").unwrap().unwrap(), b"one");
    assert_eq!(it.set("a", b"new"), 1);
}

#[test]
fn edits_of_one_draft_see_each_other_and_come_together() {
    let it = fresh();
    let mut draft = it.vault.draft(&it.keys).unwrap();
    for index in 0..300 {
        draft.set(&format!("s{index}"), value_edit(b"v"), NOW).unwrap();
    }
    assert_eq!(draft.set("s0", value_edit(b"w"), NOW).unwrap(), 2);
    draft.rename("s0", "t0", NOW).unwrap();
    draft.remove("s1", true, NOW).unwrap();
    draft.remove("s2", false, NOW).unwrap();
    assert_eq!(draft.restore("s2", 1, NOW).unwrap(), 3);
    assert!(matches!(it.value("t0"), Err(Error::NotFound)), "nothing before the commit");
    it.vault.commit(draft.finish().unwrap()).unwrap();
    assert_eq!(it.value("t0").unwrap().unwrap(), b"w");
    assert_eq!(it.value("s2").unwrap().unwrap(), b"v");
    assert_eq!(it.vault.stats().unwrap().entries, 299);
    assert_eq!(it.vault.generation(&it.keys).unwrap(), 2);
    assert!(matches!(it.check().unwrap(), glassdome_vault::CheckStep::Sound { rows: 900 }));
}

#[test]
fn of_two_drafts_on_one_state_the_second_is_refused() {
    let it = fresh();
    let (mut one, mut two) = (it.vault.draft(&it.keys).unwrap(), it.vault.draft(&it.keys).unwrap());
    one.set("s", value_edit(b"one"), NOW).unwrap();
    two.set("s", value_edit(b"two"), NOW).unwrap();
    it.vault.commit(one.finish().unwrap()).unwrap();
    assert!(matches!(it.vault.commit(two.finish().unwrap()), Err(Error::Conflict)));
    assert_eq!(it.value("s").unwrap().unwrap(), b"one");
    let empty = it.vault.draft(&it.keys).unwrap().finish().unwrap();
    it.vault.commit(empty).unwrap();
    assert_eq!(it.vault.generation(&it.keys).unwrap(), 2, "a change without edits does nothing");
}

#[test]
fn pages_show_every_secret_once_in_bounded_steps() {
    let it = fresh();
    assert!(it.vault.page(&it.keys, None, 10).unwrap().secrets.is_empty());
    it.change(|draft| {
        for index in 0..57 {
            draft.set(&format!("s{index}"), value_edit(b"v"), NOW)?;
        }
        (0..57).step_by(5).try_for_each(|index| draft.remove(&format!("s{index}"), false, NOW))
    })
    .unwrap();
    for examine in [1, 7, 57, 100] {
        let mut seen: Vec<(EntryId, Info)> = Vec::new();
        let mut after = None;
        loop {
            let mut page = it.vault.page(&it.keys, after, examine).unwrap();
            assert!(page.secrets.len() <= examine);
            seen.append(&mut page.secrets);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut names: Vec<usize> = seen.iter().map(|(_, info)| info.name[1..].parse().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, (0..57).filter(|index| index % 5 != 0).collect::<Vec<_>>());
        assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}

#[test]
fn settings_are_kept_apart() {
    let it = fresh();
    assert!(it.vault.setting(&it.keys, "policy").unwrap().is_none());
    it.change(|draft| draft.setting("policy", Some(b"deny"))).unwrap();
    it.change(|draft| draft.setting("limits", Some(&[7; 70_000]))).unwrap();
    it.change(|draft| draft.setting("policy", Some(b"ask"))).unwrap();
    assert_eq!(it.vault.setting(&it.keys, "policy").unwrap().unwrap().as_slice(), b"ask");
    assert_eq!(it.vault.setting(&it.keys, "limits").unwrap().unwrap().len(), 70_000);
    it.change(|draft| draft.setting("policy", None)).unwrap();
    assert!(it.vault.setting(&it.keys, "policy").unwrap().is_none());
    let long = "k".repeat(65);
    for key in ["", "set", "a b", "é", &long] {
        assert!(matches!(it.vault.setting(&it.keys, key), Err(Error::Name)), "{key}");
        assert!(matches!(it.change(|draft| draft.setting(key, Some(b""))), Err(Error::Name)), "{key}");
    }
    let large = vec![0; glassdome_vault::MAX_SETTING + 1];
    assert!(matches!(it.change(|draft| draft.setting("k", Some(&large))), Err(Error::TooLarge)));
    it.change(|draft| {
        (1..glassdome_vault::MAX_SETTINGS).try_for_each(|n| draft.setting(&format!("k{n}"), Some(b"")))
    })
    .unwrap();
    assert!(matches!(it.change(|draft| draft.setting("one-more", Some(b""))), Err(Error::TooLarge)));
    it.change(|draft| draft.setting("k1", Some(b"still changes"))).unwrap();
}

#[test]
fn a_vault_can_be_shared_between_threads_and_a_change_sent() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Vault>();
    sent::<glassdome_vault::Change>();
    sent::<glassdome_vault::Keys>();
    sent::<glassdome_vault::Check>();
}
