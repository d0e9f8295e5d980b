//! `backout show ID`: one run, as far as its records tell.

use crate::{
    answer::Answer,
    command::history::{row, waiting},
    exit_code,
    logging::when,
    messages::{confirm, notice, show as words},
    request,
    session::{Session, Stop, stop},
};
use backout_engine::{
    Refusal, State,
    history::{self, Entry, undone_by},
};
use backout_protocol::{Fingerprint, Image, Place, Plan, Step, report::Warning};
use serde_json::{Value, json};

/// One name of a run, before and after it.
pub(crate) struct Row<'a> {
    pub place: &'a Place,
    pub what: &'static str,
    pub component: Option<String>,
    pub before: Image,
    pub after: Image,
}

pub(crate) fn run(session: &Session, id: &str) -> Result<Answer, Stop> {
    let unknown = || stop(Refusal::RunUnknown { run: id.to_owned() });
    let Some(state) = State::look(&session.state).map_err(stop)? else { return Err(unknown()) };
    let run = history::named(&state, id).map_err(stop)?;
    let Some(entry) = history::find(&state, &run).map_err(stop)? else { return Err(unknown()) };
    let all = history::entries(&state).map_err(stop)?;
    let result = if all.iter().any(|e| e.run == run) { request::printed(&state, &run)? } else { None };
    let files = entry.plan.as_ref().map(|plan| rows(plan, &entry)).unwrap_or_default();
    let warnings: Vec<Warning> = match (&result, &entry.plan) {
        (Some(result), _) => result.warnings.clone(),
        (None, Some(plan)) => plan.notices.iter().map(notice::warning).collect(),
        (None, None) => Vec::new(),
    };
    let undone_by = undone_by(&all, &run);
    let mut data = row(&entry, undone_by);
    let plan = entry.plan.as_ref();
    let records: Vec<Value> =
        entry.records.iter().map(|(at, r)| json!({ "at": when(*at), "record": r.name() })).collect();
    let more = json!({
        "folder": entry.folder,
        "tool": plan.map(|p| &p.tool),
        "profile_sha256": plan.map(|p| p.profile.sha256),
        "plugins": plan.map(|p| &p.plugins),
        "components": plan.map(|p| &p.components),
        "services": plan.map(|p| &p.services),
        "actions": plan.map(|p| p.customs().collect::<Vec<_>>()),
        "settings": plan.map(|p| p.settings().collect::<Vec<_>>()),
        "files": files.iter().map(file).collect::<Vec<_>>(),
        "records": records,
        "warnings": warnings,
        "result": result,
    });
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
        data.extend(more);
    }
    let mut text = words::run(&entry, undone_by, &files, &warnings);
    if let Some((_, awaited)) = waiting(&state)?.filter(|(open, _)| *open == run) {
        text.push('\n');
        text.push_str(&confirm::stands(&run, &awaited));
        data["confirm"] = confirm::data(&awaited);
    }
    let mut answer = Answer::read(text, data);
    answer.result.run_id = Some(run);
    answer.result.exit_code = exit_code::DONE;
    Ok(answer)
}

fn file(row: &Row<'_>) -> Value {
    json!({
        "target": row.place,
        "what": row.what,
        "component": row.component,
        "before": state(&row.before),
        "after": state(&row.after),
    })
}

/// A state as a program reads it: version, length and digest.
fn state(image: &Image) -> Value {
    match image.fingerprint {
        Fingerprint::Absent => json!({ "kind": "absent" }),
        Fingerprint::File { len, sha256 } => {
            json!({ "kind": "file", "bytes": len, "sha256": sha256, "version": image.version })
        }
        Fingerprint::Folder { sha256 } => json!({ "kind": "folder", "sha256": sha256 }),
        Fingerprint::Link { sha256 } => json!({ "kind": "link", "sha256": sha256 }),
    }
}

/// Every name of the run, in the order of its plan.
fn rows<'a>(plan: &'a Plan, entry: &Entry) -> Vec<Row<'a>> {
    let bare = |fingerprint| Image { fingerprint, ..Image::ABSENT };
    let swapped = |place: &Place| entry.swaps.iter().find(|s| s.target == *place);
    let row = |step: &'a Step| {
        let place = step.target()?;
        let (what, component, before, after) = match step {
            Step::ReplaceFile { before, after, component, .. } => {
                let what = match before {
                    before if before.fingerprint.is_absent() => "created",
                    before if before.fingerprint == after.fingerprint => "restored beside its bytes",
                    _ => "replaced",
                };
                (what, Some(component.to_string()), *before, *after)
            }
            Step::ConsumeBackup { before, .. } => ("backup consumed", None, *before, Image::ABSENT),
            Step::RemoveFile { before, .. } => ("removed", None, *before, Image::ABSENT),
            Step::CreateFolder { .. } => {
                ("created", None, Image::ABSENT, swapped(place).map_or(Image::ABSENT, |s| bare(s.after)))
            }
            Step::RemoveFolder { .. } => {
                ("removed", None, swapped(place).map_or(Image::ABSENT, |s| bare(s.before)), Image::ABSENT)
            }
            Step::Hold { image, .. } => ("held", None, *image, *image),
            Step::DressFolder { .. }
            | Step::StopService { .. }
            | Step::WaitExit { .. }
            | Step::StartService { .. }
            | Step::SetKey { .. }
            | Step::Configure { .. }
            | Step::Custom { .. } => return None,
        };
        Some(Row { place, what, component, before, after })
    };
    plan.steps.iter().filter_map(row).collect()
}
