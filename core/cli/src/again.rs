//! The command to run next, with this call's own flags, as it is typed at this machine's shell.

use crate::{
    args::{Global, OnLocked, Wish},
    messages::runbook,
};
use std::ffi::{OsStr, OsString};

/// `backout VERB PROFILE` with the flags of this call that matter to it, and `more`.
pub(crate) fn command(verb: &str, global: &Global, wish: &Wish, more: &[&str]) -> String {
    let mut words: Vec<OsString> = vec!["backout".into(), verb.into()];
    words.extend(wish.profile.iter().map(OsString::from));
    let mut flag = |name: &str, value: &OsStr| words.extend([name.into(), value.to_owned()]);
    global.site.iter().for_each(|v| flag("--site", v.as_os_str()));
    global.set.iter().for_each(|v| flag("--set", v));
    global.state_dir.iter().for_each(|v| flag("--state-dir", v.as_os_str()));
    global.plugin_dir.iter().for_each(|v| flag("--plugin-dir", v.as_os_str()));
    global.profile_dir.iter().for_each(|v| flag("--profile-dir", v.as_os_str()));
    wish.component.iter().for_each(|v| flag("--component", v.as_ref()));
    wish.from.iter().for_each(|v| flag("--from", v));
    wish.prefer.iter().for_each(|v| flag("--prefer", v.as_ref()));
    wish.keep_local.iter().for_each(|v| flag("--keep-local", v.as_ref()));
    wish.overwrite.iter().for_each(|v| flag("--overwrite", v.as_ref()));
    if wish.on_locked == OnLocked::Reboot {
        flag("--on-locked", "reboot".as_ref());
    }
    let switches = [
        (wish.include_unlisted, "--include-unlisted"),
        (wish.clear_hotfix, "--clear-hotfix"),
        (wish.end_lingering, "--end-lingering"),
        (wish.start_all, "--start-all"),
        (wish.only_safe && !more.contains(&"--only-safe"), "--only-safe"),
    ];
    words.extend(switches.iter().filter(|(given, _)| *given).map(|(_, name)| OsString::from(name)));
    words.extend(more.iter().map(OsString::from));
    words.iter().map(|word| runbook::word(word)).collect::<Vec<_>>().join(" ")
}
