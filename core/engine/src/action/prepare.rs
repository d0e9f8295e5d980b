//! Prepares the actions of a plan while nothing is stopped, and makes everything durable that they will ever need.
//!
//! If we die in here nothing was changed; recovery removes the transaction's folder with all of it.

use super::{ACTIONS, Action, Actions, Asking, PLUGINS, copy_name, copy_of};
use crate::{
    faces::Faces,
    history,
    refusal::Refusal,
    state::State,
    transaction::{Transaction, write},
};
use backout_disk::{Error, Folder, durable, fingerprint::digest_bytes};
use backout_protocol::{
    ComponentId, Step,
    message::{ActionRequest, Answer, MEMO_LIMIT, Request},
    plan::{Plan, PlanKind, PluginRef},
    step::Way,
};
use std::{ffi::OsStr, fs};

/// No plugin's library is longer.
const LIBRARY: u64 = 256 << 20;

/// Prepares every action of the transaction's plan. Fills in its actions and the digest of `actions.ron`.
pub(crate) fn prepare(tx: &mut Transaction, state: &State, faces: &Faces<'_>) -> Result<(), Refusal> {
    let undone = match &tx.plan.kind {
        PlanKind::Undo { of } => history::read(state, of)?.map(|(_, tx)| tx),
        PlanKind::Rollback | PlanKind::Apply | PlanKind::Guard(_) => None,
    };
    let back: Vec<Action> = undone.as_ref().map(|old| as_before(tx, old)).unwrap_or_default();
    if tx.plan.customs().next().is_none() && back.is_empty() {
        return Ok(());
    }
    let folder =
        durable::ensure_folder(&tx.folder, OsStr::new(PLUGINS), 0o700).map_err(Refusal::StageFailed)?;
    let mut actions = Vec::new();
    for step in tx.plan.customs() {
        let Step::Custom { component, plugin, action, args, way } = step else { continue };
        if let Some(why) = faces.cancel.requested() {
            return Err(Refusal::Cancelled(why));
        }
        let not_ready = |why: String| not_ready(component, action, why);
        let prepared = match way {
            Way::Forth => {
                let plugin = tx.plan.plugins.iter().find(|p| p.id == *plugin);
                let plugin = plugin.ok_or_else(|| not_ready("its plugin is not in the plan".to_owned()))?;
                keep(plugin, &folder).map_err(&not_ready)?;
                let request = request(&tx.plan, component, action, args);
                first(tx, plugin, request, faces).map_err(&not_ready)?
            }
            Way::Back { n } => {
                let done = undone.as_ref().and_then(|tx| Some((tx, tx.actions.get(*n as usize)?)));
                let (old, done) = done.ok_or_else(|| not_ready("the run that did it is gone".to_owned()))?;
                let library = copy_of(&done.plugin, old.folder.path());
                keep(&library, &folder).map_err(&not_ready)?;
                Action { way: *way, already: false, ..done.clone() }
            }
        };
        must_be_untouched(tx, &prepared, faces)?;
        actions.push(prepared);
    }
    for action in back {
        let why = |why: String| not_ready(&action.component(), &action.name(), why);
        let Some(old) = &undone else { continue };
        keep(&copy_of(&action.plugin, old.folder.path()), &folder).map_err(why)?;
        must_be_untouched(tx, &action, faces)?;
        actions.push(action);
    }
    let actions = Actions { actions };
    // On disk from here on: what recovery needs. That these bytes are meant, `staged.ron` says.
    let digest = write(&tx.folder, ACTIONS, &actions).map_err(Refusal::StageFailed)?;
    tx.actions = actions.actions;
    tx.actions_digest = Some(digest);
    Ok(())
}

/// What the plan of an undo does not take back because it is as before already. If it is so no more when the run is about
/// to arm, the undo would end with it done.
fn as_before(tx: &Transaction, old: &Transaction) -> Vec<Action> {
    if !tx.plan.request.paths.is_empty() {
        return Vec::new();
    }
    let planned = |number: u32| {
        let back = Way::Back { n: number };
        tx.plan.customs().any(|step| matches!(step, Step::Custom { way, .. } if *way == back))
    };
    let numbered = (0u32..).zip(&old.actions).filter(|(n, action)| !action.already && !planned(*n));
    numbered.map(|(n, a)| Action { way: Way::Back { n }, already: true, ..a.clone() }).collect()
}

/// Looks at it here already, so that a plugin that contradicts itself stops no service.
fn must_be_untouched(tx: &Transaction, action: &Action, faces: &Faces<'_>) -> Result<(), Refusal> {
    let refused = |why: String| not_ready(&action.component(), &action.name(), why);
    let side = Asking::of(tx, faces.host).side(action).map_err(refused)?;
    if action.is_untouched(side) {
        return Ok(());
    }
    Err(refused("its plugin prepares it and then says that it is begun already".to_owned()))
}

fn not_ready(component: &ComponentId, action: &str, why: String) -> Refusal {
    Refusal::ActionNotReady { component: component.clone(), action: action.to_owned(), why }
}

fn request(plan: &Plan, component: &ComponentId, action: &str, args: &str) -> ActionRequest {
    ActionRequest {
        component: component.clone(),
        action: action.to_owned(),
        args: args.to_owned(),
        folders: plan.site.vars.iter().map(|(name, var)| (name.clone(), var.value.clone())).collect(),
        names: plan.site.names,
        memo: None,
    }
}

/// Lets the plugin look and remember.
fn first(
    tx: &Transaction,
    plugin: &PluginRef,
    mut request: ActionRequest,
    faces: &Faces<'_>,
) -> Result<Action, String> {
    let asked = Request::Prepare(request.clone());
    let Answer::Prepared(prepared) = Asking::of(tx, faces.host).ask(plugin, &asked)? else {
        return Err(format!("the plugin `{}` prepares it with another answer", plugin.id));
    };
    if prepared.memo.len() > MEMO_LIMIT {
        let (id, len) = (&plugin.id, prepared.memo.len());
        return Err(format!("the plugin `{id}` remembers {len} bytes, and {MEMO_LIMIT} is the most"));
    }
    request.memo = Some(prepared.memo);
    Ok(Action { plugin: plugin.clone(), request, way: Way::Forth, already: prepared.already })
}

/// Copies a plugin's library into the transaction, unless it is there. Its digest is the one that was found, and trusted,
/// or nothing is copied.
fn keep(plugin: &PluginRef, folder: &Folder) -> Result<(), String> {
    let name = copy_name(plugin);
    let said = |e: Error| e.to_string();
    if folder.stat(OsStr::new(&name)).map_err(said)?.is_some() {
        return Ok(());
    }
    let file = fs::canonicalize(&plugin.file.0).map_err(|e| format!("`{}`: {e}", plugin.file))?;
    let (Some(parent), Some(base)) = (file.parent(), file.file_name()) else {
        return Err(format!("`{}` is no file", plugin.file));
    };
    let bytes = Folder::open_root(parent).and_then(|f| durable::read(&f, base, LIBRARY)).map_err(said)?;
    let bytes = bytes.ok_or_else(|| format!("`{}` is gone", plugin.file))?;
    if digest_bytes(&bytes) != plugin.sha256 {
        return Err(format!("`{}` has changed since the plan was made", plugin.file));
    }
    durable::write(folder, OsStr::new(&name), &bytes, 0o600).map_err(said)
}
