//! `backout plugin list`: the plugins that can be seen. Runs none of their code. And the process that it runs in.

pub(crate) mod check;
pub(crate) mod new;
pub(crate) mod plan;
pub(crate) mod record;
pub(crate) mod schema;

use crate::{
    answer::Answer,
    messages::usage,
    session::{Session, Stop},
};
use backout_engine::PluginHost;
use serde_json::json;

/// Is the process that a plugin's code runs in. Whoever started it reads its reply and looks at nothing else.
pub(crate) fn host() -> Result<Answer, Stop> {
    let Err(e) = backout_host::serve();
    Err(Box::new(Answer::usage(usage::no_host(&e.to_string()))))
}

pub(crate) fn list(session: &Session) -> Result<Answer, Stop> {
    let all = PluginHost::list(&session.plugins);
    let mut out = String::new();
    for one in &all {
        let problem =
            one.problem.as_ref().map_or_else(String::new, |p| format!("\n    may not be used: {p}"));
        out.push_str(&format!(
            "{} {}\n    {}\n    {}{problem}\n",
            one.manifest.id, one.manifest.version, one.manifest.about, one.file
        ));
    }
    if all.is_empty() {
        out.push_str("no plugin can be seen; give a folder with --plugin-dir");
    }
    let row = |one: &backout_engine::Listed| json!({ "id": one.manifest.id, "version": one.manifest.version, "file": one.file, "problem": one.problem });
    Ok(Answer::read(out, json!({ "plugins": all.iter().map(row).collect::<Vec<_>>() })))
}

/// A path as it is typed at this machine's shell.
pub(super) fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:".contains(c) || (cfg!(windows) && c == '\\');
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    if cfg!(windows) { format!("\"{text}\"") } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
