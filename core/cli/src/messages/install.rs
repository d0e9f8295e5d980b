//! Words about installing.

use backout_engine::install::Installed;
use backout_protocol::path::encode;

/// What was installed, and how to call it from now on.
pub(crate) fn text(installed: &Installed) -> String {
    let Installed { folder, written, removed, same } = installed;
    if written.is_empty() && removed.is_empty() {
        return format!("`{folder}` has this version already, whole: {same} files");
    }
    let program = folder.0.join(format!("backout{}", std::env::consts::EXE_SUFFIX));
    let program = encode(program.as_os_str());
    let mut text = format!("installed in `{folder}`: {} files written", written.len());
    if *same > 0 {
        text.push_str(&format!(", {same} were there already"));
    }
    if !removed.is_empty() {
        text.push_str(&format!(", {} of an earlier version removed", removed.len()));
    }
    text.push('\n');
    if cfg!(windows) {
        text.push_str(&format!("run it as `\"{program}\"`; "));
    } else {
        text.push_str(&format!("to have it in the path: `ln -s {program} /usr/local/bin/backout`; "));
    }
    text.push_str("`backout boot install` settles an unfinished run at boot");
    text
}
