use super::*;

fn number(value: u32) -> Value {
    Value { kind: 4, bytes: value.to_le_bytes().to_vec() }
}

fn tree(keys: &[(&str, &[(&str, u32)])]) -> KeyTree {
    let values = |values: &[(&str, u32)]| values.iter().map(|(n, v)| ((*n).to_owned(), number(*v))).collect();
    KeyTree(keys.iter().map(|(path, all)| ((*path).to_owned(), values(all))).collect())
}

/// Carries edits out; a key that holds something does not go.
fn carry_out(mut tree: KeyTree, edits: &[Edit]) -> KeyTree {
    for edit in edits {
        if let Edit::Remove { path } = edit {
            assert!(!tree.holds_something(path), "{path} holds something");
        }
        tree.carry_out(edit);
    }
    tree
}

#[test]
fn a_key_is_named_from_its_hive_on_and_is_a_products_own() {
    let read = |text: &str| text.parse::<KeyPath>();
    assert_eq!(read(r"HKLM\SOFTWARE\Vendor").unwrap().as_str(), r"SOFTWARE\Vendor");
    let own = r"hkey_local_machine\System\CurrentControlSet\Services\spnt\Parameters";
    assert_eq!(read(own).unwrap().views().len(), 1);
    assert_eq!(read(r"HKLM\software\ベンダー").unwrap().to_string(), r"HKLM\software\ベンダー");
    for bad in [
        "",
        "HKLM",
        r"HKLM\",
        r"HKLM\SOFTWARE",
        r"HKCU\SOFTWARE\Vendor",
        r"SOFTWARE\Vendor",
        r"HKLM\SOFTWARE\\Vendor",
        r"HKLM\SOFTWARE\Microsoft",
        r"HKLM\software\classes",
        r"HKLM\SYSTEM\CurrentControlSet\Services",
        r"HKLM\SYSTEM\CurrentControlSet\Services\spnt",
        r"HKLM\SYSTEM\ControlSet001\Services\spnt\Parameters",
        r"HKLM\SOFTWARE\WOW6432Node\Vendor",
        "HKLM\\SOFTWARE\\Ven\ndor",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn below_software_a_key_is_two() {
    let key: KeyPath = r"HKLM\Software\Vendor".parse().unwrap();
    let shown: Vec<String> = key.views().iter().map(KeyName::to_string).collect();
    assert_eq!(shown, [r"HKLM\Software\Vendor", r"HKLM\Software\Vendor (32-bit view)"]);
    let inner: KeyPath = r"HKLM\SOFTWARE\VENDOR\Product".parse().unwrap();
    assert!(inner.is_within(&key) && key.is_within(&key) && !key.is_within(&inner));
    assert!(!r"HKLM\SOFTWARE\Vendor2".parse::<KeyPath>().unwrap().is_within(&key));
}

#[test]
fn edits_make_one_tree_into_the_other_and_back() {
    let trees = [
        KeyTree::default(),
        tree(&[("", &[])]),
        tree(&[("", &[("a", 1), ("", 2)]), ("x", &[("b", 1)]), (r"x\y", &[]), ("z", &[("c", 3)])]),
        tree(&[("", &[("a", 2)]), ("x", &[]), (r"x\y", &[("d", 1)]), (r"x\y\z", &[("e", 5)])]),
    ];
    for from in &trees {
        for to in &trees {
            let there = edits(from, to);
            assert_eq!(&carry_out(from.clone(), &there), to, "{there:?}");
            let back: Vec<Edit> = there.iter().rev().map(Edit::inverse).collect();
            assert_eq!(&carry_out(to.clone(), &back), from, "{back:?}");
            assert_eq!(due(&there, to), Due::default(), "it is done");
            assert_eq!(due(&there, from), Due { due: there.iter().collect(), drifted: vec![] });
            // Wherever it was cut off, the rest of it is left, and backwards what was done.
            for cut in 0..there.len() {
                let half = carry_out(from.clone(), &there[..cut]);
                assert_eq!(due(&there, &half).due, there[cut..].iter().collect::<Vec<_>>());
                let left = due(&back, &half);
                assert_eq!(left.drifted, Vec::<&Edit>::new());
                let owned: Vec<Edit> = left.due.into_iter().cloned().collect();
                assert_eq!(&carry_out(half, &owned), from);
            }
        }
    }
}

#[test]
fn names_in_another_spelling_are_the_same_names() {
    let (old, new) =
        (tree(&[("", &[("Port", 1)]), ("Sub", &[])]), tree(&[("", &[("PORT", 1)]), ("SUB", &[])]));
    assert!(edits(&old, &new).is_empty());
    let edits = edits(&old, &tree(&[("", &[("port", 2)]), ("sub", &[])]));
    assert_eq!(due(&edits, &new).due.len(), 1);
    assert_eq!(due(&edits, &tree(&[("", &[("Port", 3)])])).drifted.len(), 1);
    assert_eq!(carry_out(new, &edits), tree(&[("", &[("PORT", 2)]), ("SUB", &[])]));
}

#[test]
fn what_somebody_put_there_meanwhile_has_drifted_and_keeps_its_key() {
    let (old, new) = (tree(&[("", &[]), ("x", &[("a", 1)])]), tree(&[("", &[])]));
    let edits = edits(&old, &new);
    assert_eq!(edits.len(), 2, "the value, then its key");
    let left = |now: &KeyTree| due(&edits, now).drifted.len();
    assert_eq!(left(&old), 0);
    assert_eq!(left(&tree(&[("", &[]), ("x", &[("a", 2)])])), 2, "another content, so the key stays too");
    assert_eq!(left(&tree(&[("", &[]), ("x", &[("a", 1), ("b", 1)])])), 1, "the key");
    assert_eq!(left(&tree(&[("", &[]), ("x", &[("a", 1)]), (r"x\y", &[])])), 1, "the key");
    assert_eq!(left(&KeyTree::default()), 0, "all gone already");
}

#[test]
fn a_value_is_read_back_as_it_was_written_and_shown_as_people_read_it() {
    let text = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (value, shown) in [
        (Value { kind: 1, bytes: text("C:\\製品\0") }, "\"C:\\製品\""),
        (Value { kind: 7, bytes: text("a\0b\0\0") }, "\"a\", \"b\""),
        (number(7), "7"),
        (Value { kind: 4, bytes: vec![1] }, "type 4, 1 bytes 01"),
        (Value { kind: 3, bytes: vec![0xab; 25] }, &format!("type 3, 25 bytes {}…", "ab".repeat(24))),
    ] {
        assert_eq!(value.to_string(), shown);
        let ron = crate::text::to_ron(&value).unwrap();
        assert_eq!(crate::text::from_ron::<Value>("v", &ron).unwrap(), value);
    }
    assert!(crate::text::from_ron::<Value>("v", "(kind: 1, bytes: \"0\")").is_err());
    assert!(crate::text::from_ron::<Value>("v", "(kind: 1, bytes: \"0é\")").is_err());
}

#[test]
fn a_key_that_lies_in_none_is_a_contradiction() {
    assert_eq!(tree(&[("", &[]), ("a", &[]), (r"a\b", &[])]).contradiction(), None);
    assert_eq!(KeyTree::default().contradiction(), None);
    for bad in
        [tree(&[("a", &[])]), tree(&[("", &[]), (r"a\b", &[])]), tree(&[("", &[]), ("a", &[]), (r"a\", &[])])]
    {
        assert!(bad.contradiction().is_some(), "{bad:?}");
    }
}
