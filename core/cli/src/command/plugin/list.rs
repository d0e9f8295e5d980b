//! `backout plugin list`: the plugins that can be seen. Runs none of their code.

use crate::{
    answer::Answer,
    session::{Session, Stop},
};
use backout_engine::{Listed, PluginHost};
use serde_json::json;

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
    let row = |one: &Listed| {
        json!({
            "id": one.manifest.id, "version": one.manifest.version, "about": one.manifest.about,
            "api": one.manifest.api, "file": one.file, "problem": one.problem,
        })
    };
    Ok(Answer::read(out, json!({ "plugins": all.iter().map(row).collect::<Vec<_>>() })))
}
