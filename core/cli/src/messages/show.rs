//! Words about one run.

use super::{history, plan as plan_words};
use crate::{command::show::Row, logging::when};
use backout_engine::history::Entry;
use backout_protocol::{Fingerprint, Image, RunId, Step, report::Warning};

/// A state in few words: what it is known by, and its digest.
fn state(image: &Image) -> String {
    let digest = match image.fingerprint {
        Fingerprint::Absent => return "absent".to_owned(),
        Fingerprint::File { sha256, .. } | Fingerprint::Folder { sha256 } | Fingerprint::Link { sha256 } => {
            sha256
        }
    };
    let version = image.version.map(|v| format!("{v} ")).unwrap_or_default();
    format!("{version}sha256 {digest}")
}

/// The whole run.
pub(crate) fn run(
    entry: &Entry,
    undone_by: Option<&RunId>,
    files: &[Row<'_>],
    warnings: &[Warning],
) -> String {
    let mut lines = vec![history::line(entry, undone_by)];
    if let Some(plan) = &entry.plan {
        if let Some(by) = &plan.request.by {
            let sudo = by.sudo.as_ref().map(|user| format!(", by sudo of {user}")).unwrap_or_default();
            lines.push(format!("By {}{sudo}, on {}, process {}", by.user, by.host, by.process));
        }
        if let Some(id) = &plan.request.request_id {
            lines.push(format!("Request {id}"));
        }
        lines.push(format!("backout {}", plan.tool));
        lines.push(match plan.profile.is_none() {
            true => "No profile".to_owned(),
            false => format!("Profile {} sha256 {}", plan.profile.name, plan.profile.sha256),
        });
        let plugins = plan.plugins.iter();
        lines.extend(plugins.map(|p| format!("Plugin {} {} sha256 {}", p.id, p.version, p.sha256)));
        let dressed = plan.steps.iter().filter(|s| matches!(s, Step::DressFolder { .. }));
        lines.extend(dressed.map(|s| format!("Step {}", plan_words::step(s))));
        lines.extend(plan.settings().map(|s| format!("Step {}", plan_words::step(s))));
        lines.extend(plan.customs().map(|s| format!("Step {}", plan_words::step(s))));
        lines.extend(plan.guards().into_iter().flat_map(super::guard::shown));
        let services = plan.services.iter();
        lines.extend(services.map(|s| format!("Service {}, before: {}", s.name, plan_words::was(s.was))));
    }
    if let Some(ms) = entry.window_ms {
        lines.push(format!("Services were down for {}.{:03} s", ms / 1000, ms % 1000));
    }
    if !files.is_empty() {
        lines.push("Files:".to_owned());
    }
    for row in files {
        lines.push(format!("  {} {}", row.what, row.place));
        if row.what == "held" {
            lines.push(format!("    is     {}", state(&row.after)));
        } else {
            lines.push(format!("    before {}", state(&row.before)));
            lines.push(format!("    after  {}", state(&row.after)));
        }
    }
    lines.extend(warnings.iter().map(|w| format!("warning[{}]: {}", w.code, w.message)));
    if !entry.records.is_empty() {
        lines.push("Journal:".to_owned());
    }
    lines.extend(entry.records.iter().map(|(at, record)| format!("  {}  {}", when(*at), record.name())));
    if !entry.kept.is_empty() {
        lines.push("Kept beside its targets:".to_owned());
    }
    lines.extend(entry.kept.iter().map(|folder| format!("  {folder}")));
    lines.push(format!("Records and log: {}", entry.folder));
    lines.join("\n")
}
