//! Against a registry in memory that does what the real one does.

use super::*;
use backout_plugin::protocol::NameRule;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// Keys of one view, and values by key and name; compared without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Hive {
    keys: BTreeSet<String>,
    values: BTreeMap<(String, String), Raw>,
    /// How many more keys or values may be made before the machine dies.
    left: Option<u32>,
}

#[derive(Debug, Clone, Default)]
struct Memory(Rc<RefCell<Hive>>);

impl Memory {
    fn with(key: &str) -> Self {
        let memory = Self::default();
        let ends = key.match_indices('\\').map(|(at, _)| at).chain([key.len()]);
        memory.0.borrow_mut().keys = ends.map(|end| key[..end].to_lowercase()).collect();
        memory
    }
    fn step(&self) -> Result<(), Failure> {
        match &mut self.0.borrow_mut().left {
            Some(0) => Err(failure("dead")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
    fn content(&self) -> Hive {
        Hive { left: None, ..self.0.borrow().clone() }
    }
}

impl Registry for Memory {
    fn key(&self, view: View, key: &str) -> Result<Key, Failure> {
        let (hive, key) = (self.0.borrow(), key.to_lowercase());
        if view == View::Bits64 || !hive.keys.contains(&key) {
            return Ok(Key::Absent);
        }
        let below = |k: &String| k.starts_with(&format!("{key}\\"));
        let holds = hive.keys.iter().any(below) || hive.values.keys().any(|(k, _)| *k == key);
        Ok(if holds { Key::Filled } else { Key::Empty })
    }
    fn read(&self, _: View, key: &str, value: &str) -> Result<Option<Raw>, Failure> {
        Ok(self.0.borrow().values.get(&(key.to_lowercase(), value.to_lowercase())).cloned())
    }
    fn write(&self, _: View, key: &str, value: &str, raw: &Raw) -> Result<(), Failure> {
        let ends = key.match_indices('\\').map(|(at, _)| at).chain([key.len()]);
        for end in ends {
            if !self.0.borrow().keys.contains(&key[..end].to_lowercase()) {
                self.step()?;
                self.0.borrow_mut().keys.insert(key[..end].to_lowercase());
            }
        }
        self.step()?;
        self.0.borrow_mut().values.insert((key.to_lowercase(), value.to_lowercase()), raw.clone());
        Ok(())
    }
    fn remove(&self, _: View, key: &str, value: &str) -> Result<(), Failure> {
        self.step()?;
        self.0.borrow_mut().values.remove(&(key.to_lowercase(), value.to_lowercase()));
        Ok(())
    }
    fn remove_key(&self, _: View, key: &str) -> Result<(), Failure> {
        if self.key(View::Bits32, key)? == Key::Empty {
            self.step()?;
            self.0.borrow_mut().keys.remove(&key.to_lowercase());
        }
        Ok(())
    }
}

const KEY: &str = r"SOFTWARE\P\CurrentVersion\RPC";

fn about(memo: Option<String>) -> ActionRequest {
    let data = Data::Sz("192.0.2.1".to_owned());
    let args = Args { view: View::Bits32, key: KEY.to_owned(), value: "FIXAgentAddress".to_owned(), data };
    ActionRequest {
        component: "c".parse().unwrap(),
        action: ACTION.to_owned(),
        args: action::remember(&args, false).unwrap().memo,
        folders: BTreeMap::new(),
        names: NameRule::Folded,
        memo,
    }
}

/// Registries before: no key, the key without the value, the value of another type, text or number.
fn befores() -> Vec<Memory> {
    let with = |raw: Raw| {
        let memory = Memory::with(KEY);
        memory.write(View::Bits32, KEY, "FIXAgentAddress", &raw).unwrap();
        memory
    };
    vec![
        Memory::with(r"SOFTWARE\P"),
        Memory::with(KEY),
        with(raw(&Data::Sz("198.51.100.9".to_owned()))),
        with(raw(&Data::ExpandSz("192.0.2.1".to_owned()))),
        with(raw(&Data::Dword(7))),
    ]
}

#[test]
fn a_value_goes_round_in_a_circle_from_whatever_was_there() {
    for memory in befores() {
        let (before, set) = (memory.content(), SetValue(memory.clone()));
        let prepared = set.prepare(&about(None)).unwrap();
        assert!(!prepared.already);
        let about = about(Some(prepared.memo));
        assert_eq!(set.state(&about).unwrap(), ActionState::Before);
        assert_eq!(memory.content(), before, "to prepare and to look changes nothing");
        set.apply(&about).unwrap();
        assert_eq!(set.state(&about).unwrap(), ActionState::After);
        set.apply(&about).unwrap();
        set.undo(&about).unwrap();
        assert_eq!(set.state(&about).unwrap(), ActionState::Before);
        assert_eq!(memory.content(), before);
        set.undo(&about).unwrap();
        assert_eq!(memory.content(), before);
    }
}

#[test]
fn wherever_it_is_cut_short_the_state_tells_and_undo_takes_it_back() {
    for memory in befores() {
        let before = memory.content();
        let set = SetValue(memory.clone());
        let about = about(Some(set.prepare(&about(None)).unwrap().memo));
        for died in 0..8 {
            memory.0.borrow_mut().left = Some(died);
            let applied = set.apply(&about).is_ok();
            let now = memory.content();
            let state = set.state(&about).unwrap();
            match state {
                ActionState::Before => assert_eq!(now, before),
                ActionState::After => assert!(applied),
                ActionState::Between => assert!(!applied && now != before),
            }
            memory.0.borrow_mut().left = Some(died);
            let _ = set.undo(&about);
            memory.0.borrow_mut().left = None;
            set.undo(&about).unwrap();
            assert_eq!(memory.content(), before, "dead after {died}");
        }
    }
}

#[test]
fn a_key_that_somebody_else_has_filled_meanwhile_stays() {
    let memory = Memory::with(r"SOFTWARE\P");
    let set = SetValue(memory.clone());
    let about = about(Some(set.prepare(&about(None)).unwrap().memo));
    set.apply(&about).unwrap();
    memory.write(View::Bits32, KEY, "Other", &raw(&Data::Dword(1))).unwrap();
    set.undo(&about).unwrap();
    assert_eq!(memory.key(View::Bits32, KEY).unwrap(), Key::Filled);
    assert_eq!(memory.read(View::Bits32, KEY, "FIXAgentAddress").unwrap(), None);
    assert_eq!(set.state(&about).unwrap(), ActionState::Before);
}

#[test]
fn what_is_so_already_has_nothing_to_apply() {
    let memory = Memory::with(KEY);
    memory.write(View::Bits32, KEY, "fixagentaddress", &raw(&Data::Sz("192.0.2.1".to_owned()))).unwrap();
    assert!(SetValue(memory).prepare(&about(None)).unwrap().already);
}

#[test]
fn the_bytes_are_those_of_windows() {
    assert_eq!(raw(&Data::Sz("a".to_owned())), Raw { kind: 1, bytes: vec![97, 0, 0, 0] });
    assert_eq!(raw(&Data::Dword(0x0102_0304)), Raw { kind: 4, bytes: vec![4, 3, 2, 1] });
}

#[test]
fn keys_of_other_hives_and_names_that_are_none_are_refused() {
    assert_eq!(below_the_hive(r"hklm\SOFTWARE\A").unwrap(), r"SOFTWARE\A");
    assert_eq!(below_the_hive(r"HKEY_LOCAL_MACHINE\SOFTWARE\A").unwrap(), r"SOFTWARE\A");
    for bad in [r"HKCU\SOFTWARE", "SOFTWARE", r"HKLM\", r"HKLM\a\\b", "HKLM\\a\nb"] {
        below_the_hive(bad).unwrap_err();
    }
}

#[test]
fn a_product_is_found_in_the_view_that_it_is_in() {
    assert_eq!(whose(&Memory::with(KEY), KEY).unwrap(), View::Bits32);
    assert_eq!(whose(&Memory::with(r"SOFTWARE\P\CurrentVersion"), KEY).unwrap(), View::Bits32);
    assert!(whose(&Memory::with(r"SOFTWARE\P"), KEY).unwrap_err().message.contains("not installed"));
}
