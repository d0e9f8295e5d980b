//! Words of the plan and of other listings.

use super::{refusal::rejected, text};
use backout_engine::report::counts;
use backout_protocol::{
    Configuration, Counts, HostPath, Plan, Step,
    configuration::Part,
    message::{LeftAlone, LeftReason},
    path::encode,
    plan::{ComponentState, Origin, PlanKind, Was},
    step::Way,
};

/// What becomes of a component.
pub(crate) fn component(state: ComponentState) -> &'static str {
    match state {
        ComponentState::Selected => "worked on",
        ComponentState::NotSelected => "here, not asked for",
        ComponentState::Absent => "not on this machine, skipped",
        ComponentState::NotPatchedHere => "its service is here, but it is not patched here; skipped",
        ComponentState::VerifyOnly => "here, stays as it is",
    }
}

/// Where a variable's value came from.
pub(crate) fn origin(origin: &Origin) -> String {
    match origin {
        Origin::CommandLine => "from --set".into(),
        Origin::Site => "from the site file".into(),
        Origin::Registry(key) => format!("from the registry, {key}"),
        Origin::Default => "a default".into(),
        Origin::SameAs(other) => format!("the same as {other}"),
    }
}

/// A service's state before.
pub(crate) fn was(was: Was) -> &'static str {
    match was {
        Was::Running => "running",
        Was::Restarting => "restarting over and over",
        Was::Stopped => "stopped",
    }
}

/// A step, in one line.
pub(crate) fn step(step: &Step) -> String {
    let version = |v: Option<backout_protocol::FileVersion>| {
        v.map_or_else(|| "no version".to_owned(), |v| v.to_string())
    };
    match step {
        Step::StopService { service } => format!("stop      {service}"),
        Step::StartService { service } => format!("start     {service}"),
        Step::WaitExit { images, .. } => format!("wait for  {}", images.join(", ")),
        Step::ReplaceFile { target, before, after, component, differs, .. } if !differs.is_empty() => {
            let word = match before {
                before if before.fingerprint.is_absent() => "create    ",
                before if before.fingerprint == after.fingerprint => "restore   ",
                _ => "replace   ",
            };
            format!("{word}{target}  {} ({component})", differs.join(", "))
        }
        Step::ReplaceFile { target, before, after, component, .. } if before.fingerprint.is_absent() => {
            format!("create    {target}  -> {} ({component})", version(after.version))
        }
        Step::ReplaceFile { target, before, after, component, .. } => {
            format!(
                "replace   {target}  {} -> {} ({component})",
                version(before.version),
                version(after.version)
            )
        }
        Step::ConsumeBackup { backup, .. } => format!("consume   {backup}"),
        Step::RemoveFile { target, before } if before.fingerprint.is_link() => {
            format!("remove    {target}  a symbolic link")
        }
        Step::RemoveFile { target, .. } => format!("remove    {target}"),
        Step::CreateFolder { target, .. } => format!("create    {target}/"),
        Step::RemoveFolder { target } => format!("remove    {target}/"),
        Step::DressFolder { root, rel, differs, .. } => {
            let folder =
                rel.as_ref().map_or_else(|| root.clone(), |rel| HostPath(root.0.join(rel.as_path())));
            format!("restore   {folder}/  {}", differs.join(", "))
        }
        Step::Hold { target, image } => format!("hold      {target}  is {} already", version(image.version)),
        Step::SetKey { key, edits } => {
            let each: String =
                edits.iter().map(|e| format!("\n              {}: {e}", e.about(key))).collect();
            format!("set       {key}  {} changes{each}", edits.len())
        }
        Step::Configure { service, before, after, parts } => {
            let words = |c: &Configuration, part| c.part(part).unwrap_or_default();
            let change =
                |part: &Part| format!("{part} `{}` -> `{}`", words(before, *part), words(after, *part));
            format!("configure {service}  {}", parts.iter().map(change).collect::<Vec<_>>().join(", "))
        }
        Step::Custom { component, action, args, way, .. } => {
            let word = if *way == Way::Forth { "action    " } else { "take back " };
            format!("{word}{action}({}) ({component})", short(args))
        }
    }
}

/// Arguments in one line that a person can take in.
pub(crate) fn short(args: &str) -> String {
    const MOST: usize = 200;
    let line = args.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

/// How long services may be down.
pub(crate) fn estimate(ms: u64) -> String {
    format!("Downtime: {}.{:03} s, as measured when it was last done here\n", ms / 1000, ms % 1000)
}

/// A file that is left alone.
pub(crate) fn left_alone(left: &LeftAlone) -> String {
    let why = match &left.reason {
        LeftReason::Unlisted => "not in the patch's list (--include-unlisted takes it along)".to_owned(),
        LeftReason::Ambiguous(of) => format!("could be the backup of {}", of.join(" or ")),
        LeftReason::NotAFile => "not a regular file".into(),
        LeftReason::TargetHeld => "its file is back already".into(),
        LeftReason::Rejected(reject) => rejected(reject),
        LeftReason::NotChosen => "another backup was taken".into(),
        LeftReason::NotExpected => "not what the patch put there".into(),
    };
    format!("{}: {why}", left.place)
}

/// What a plan amounts to, in one line.
pub(crate) fn counted(counts: &Counts) -> String {
    let Counts {
        replaced,
        dressed,
        removed,
        created,
        consumed,
        held,
        skipped,
        left_alone,
        services,
        actions,
        settings,
    } = counts;
    let all = [
        (*replaced, "replaced"),
        (*dressed, "folders given other rights"),
        (*removed, "removed"),
        (*created, "created"),
        (*consumed, "backups consumed"),
        (*held, "back already"),
        (*left_alone, "left alone"),
        (*skipped, "components skipped"),
        (*services, "services stopped and started"),
        (*actions, "actions of plugins"),
        (*settings, "settings of registry and services"),
    ];
    let told: Vec<String> =
        all.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
}

/// The whole plan.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    match &plan.kind {
        PlanKind::Rollback => line(format!("Plan: roll back {}", plan.profile.name)),
        PlanKind::Apply => line(format!("Plan: apply {}", plan.profile.name)),
        PlanKind::Undo { of } => line(format!("Plan: undo the run {of}")),
        PlanKind::Guard(_) => line(format!("Plan: guard {}", plan.profile.name)),
    }
    for (name, value) in &plan.site.vars {
        line(format!("  {name} = {} ({})", value.value, origin(&value.origin)));
    }
    line("Components:".into());
    for one in &plan.components {
        let builds = |all: &[backout_protocol::FileVersion]| {
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let change = match (one.builds_now.is_empty(), one.builds_after.is_empty()) {
            (true, true) => String::new(),
            _ => format!("; {} -> {}", builds(&one.builds_now), builds(&one.builds_after)),
        };
        line(format!("  {}: {}{change}", one.id, component(one.state)));
    }
    if !plan.services.is_empty() {
        line("Services:".into());
    }
    for one in &plan.services {
        line(format!("  {}: {}", one.name, was(one.was)));
    }
    line("Steps:".into());
    for one in &plan.steps {
        line(format!("  {}", step(one)));
    }
    if plan.is_empty() {
        line(match plan.kind {
            PlanKind::Apply => "  nothing to change: everything is so already".into(),
            PlanKind::Rollback | PlanKind::Undo { .. } | PlanKind::Guard(_) => {
                "  nothing to change: everything is back already".into()
            }
        });
    }
    if !plan.left_alone.is_empty() {
        line("Left alone:".into());
    }
    for one in &plan.left_alone {
        line(format!("  {}", left_alone(one)));
    }
    line(format!("Counts: {}", counted(&counts(plan))));
    for note in &plan.notes {
        line(format!("Note: {}", text(note)));
    }
    encode_controls(out)
}

/// Names may hold anything; what is printed may not steer a terminal.
fn encode_controls(text: String) -> String {
    text.split('\n').map(|l| encode(l.as_ref()).replace("%25", "%")).collect::<Vec<_>>().join("\n")
}
