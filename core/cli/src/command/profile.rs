//! `backout profile`: which there are, what they say, whether they can be used.

use crate::{
    answer::Answer,
    exit_code,
    messages::{profile as words, scaffold, text},
    output::{Output, Unwritable},
    session::{BUILT_IN, Session, Stop, stop, wrong},
};
use backout_engine::{LoadedProfile, Refusal};
use backout_host::Leave;
use backout_protocol::{
    ComponentId, HostPath, Outcome, Profile,
    message::{Answer as Told, Failure, Fixture, PlanRequest, Request},
    profile::{Goes, Role},
};
use serde_json::json;
use std::path::Path;

/// A profile that is known by name.
pub(crate) struct Known {
    pub name: String,
    pub profile: Result<LoadedProfile, Refusal>,
    /// Where it came from, in words.
    pub from: String,
}

/// Those built in and those in `--profile-dir`.
pub(crate) fn known(session: &Session) -> Result<Vec<Known>, Stop> {
    let mut all = Vec::new();
    for (name, source) in BUILT_IN {
        let loaded = LoadedProfile::from_text(&format!("{name}.ron"), source, None).map_err(stop)?;
        all.push(Known { name: name.to_owned(), profile: Ok(loaded), from: "built in".to_owned() });
    }
    for folder in &session.global.profile_dir {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let mut files: Vec<_> = entries
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "ron"))
            .collect();
        files.sort();
        all.extend(files.into_iter().map(|file| Known {
            name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            profile: LoadedProfile::from_file(&file),
            from: file.display().to_string(),
        }));
    }
    Ok(all)
}

pub(crate) fn list(session: &Session) -> Result<Answer, Stop> {
    let rows: Vec<_> = known(session)?
        .into_iter()
        .map(|one| {
            let title = match &one.profile {
                Ok(loaded) => text(&loaded.profile.title),
                Err(refused) => {
                    format!("cannot be used: {}", crate::messages::refusal::why(refused).message)
                }
            };
            (one.name, title, one.from)
        })
        .collect();
    let out = rows.iter().map(|(name, title, from)| format!("{name}\n    {title} ({from})\n")).collect();
    let data = rows.iter().map(|(name, title, from)| json!({ "name": name, "title": title, "from": from }));
    Ok(Answer::read(out, json!({ "profiles": data.collect::<Vec<_>>() })))
}

pub(crate) fn show(session: &Session, name: &str) -> Result<Answer, Stop> {
    let loaded = session.profile(name)?;
    let profile = &loaded.profile;
    let mut out = format!("{}: {}\nsha256 {}\n", profile.name, text(&profile.title), loaded.sha256);
    out.push_str("Folders:\n");
    for one in &profile.variables {
        out.push_str(&format!("  {}: {}\n", one.name, text(&one.about)));
    }
    out.push_str("Components:\n");
    for one in &profile.components {
        let role = match &one.role {
            Role::Restore { plugin, .. } if profile.goes == Goes::Forward => {
                format!("changed by the plugin `{plugin}`")
            }
            Role::Restore { plugin, .. } => format!("rolled back by the plugin `{plugin}`"),
            Role::VerifyOnly { .. } => "only verified".into(),
            Role::ReportOnly => "only shown".into(),
        };
        out.push_str(&format!("  {}: {}; {role}\n", one.id, text(&one.title)));
        for service in &one.services {
            out.push_str(&format!("    service {} ({:?})\n", service.name, service.need));
        }
    }
    let mut files = Vec::new();
    for list in &profile.lists {
        out.push_str(&format!("List {} ({}):\n", list.id, list.folder));
        for row in &list.files {
            let version = row.version.map_or_else(|| "-".to_owned(), |v| v.to_string());
            out.push_str(&format!("  {:<22} {version}\n", row.name));
            files.push(json!({ "list": list.id, "name": row.name, "version": row.version }));
        }
    }
    for one in &profile.advisories {
        out.push_str(&format!(
            "Advisory {} ({:?}, fixed in build {}): {}\n",
            one.id,
            one.severity,
            one.fixed_in,
            text(&one.text)
        ));
    }
    let components: Vec<_> = profile.components.iter().map(|c| c.id.clone()).collect();
    let data =
        json!({ "name": profile.name, "sha256": loaded.sha256, "components": components, "files": files });
    Ok(Answer::read(out, data))
}

pub(crate) fn check(session: &Session, name: &str) -> Result<Answer, Stop> {
    let (loaded, source) = session.profile_with_source(name)?;
    let mut plugins = std::collections::BTreeMap::new();
    for component in &loaded.profile.components {
        if let Role::Restore { plugin, .. } = &component.role
            && !plugins.contains_key(plugin)
        {
            let found = session.plugins.find(plugin).map_err(|e| stop(Refusal::Plugin(e.into())))?;
            plugins.insert(plugin.clone(), found);
        }
    }
    // Configurations stand in the file in the order of the components.
    let mut behind = 0;
    for component in &loaded.profile.components {
        let Role::Restore { plugin, config } = &component.role else { continue };
        let config = config.get_ron();
        let at = source.text[behind..].find(config).map_or(behind, |n| behind + n);
        behind = at + config.len();
        let Some(found) = plugins.get(plugin) else { continue };
        let request = Request::Plan(Box::new(nowhere(&loaded.profile, &component.id, config)));
        let told = session.plugins.ask(found, &request, Leave::ReadOnly);
        let told = told.map_err(|e| stop(Refusal::Plugin(e.into())))?;
        // Without a place it is about the machine, which is none.
        if let Told::Failed(Failure { message, at: Some(place) }) = told {
            let (line, column) = place_in(&source.text[..at], place);
            let place = format!("{}:{line}:{column}", source.name);
            let said = words::bad_config(plugin, component.id.as_str(), &place, &message);
            return Err(Box::new(Answer::error(exit_code::REFUSED, Outcome::Refused, said)));
        }
    }
    let text = format!("`{}` reads well, its plugins are here and take their `config`", loaded.profile.name);
    Ok(Answer::read(text, json!(null)))
}

/// A request to plan on a machine with nothing on it: of interest is whether the configuration is understood.
fn nowhere(profile: &Profile, component: &ComponentId, config: &str) -> PlanRequest {
    let empty = std::path::Path::new(if cfg!(windows) { r"C:\nonexistent" } else { "/nonexistent" });
    let folder = |name: &String| (name.clone(), HostPath(empty.join(name)));
    let machine = Fixture {
        folders: profile.variables.iter().map(|v| folder(&v.name)).collect(),
        names: profile.names,
        ..Fixture::default()
    };
    machine.request(component.clone(), config.to_owned())
}

/// Where in a file a place is that is counted from behind `before`.
fn place_in(before: &str, (line, column): (usize, usize)) -> (usize, usize) {
    let lines = before.matches('\n').count();
    let last = before.rsplit('\n').next().unwrap_or("").chars().count();
    if line <= 1 { (lines + 1, last + column) } else { (lines + line, column) }
}

/// A profile with comments, to fill in.
const NEW: &str = include_str!("../templates/new_profile.ron");
/// A profile that says all that one may say.
const REFERENCE: &str = include_str!("../templates/reference.ron");

pub(crate) fn new(session: &Session, product: &str, output: Option<&Path>) -> Result<Answer, Stop> {
    let product = product.trim();
    if product.is_empty() || product.chars().count() > 80 || product.chars().any(char::is_control) {
        return Err(wrong(
            "a product has a name of 1 to 80 characters, none of them a control character".to_owned(),
        ));
    }
    let named = output.and_then(|file| file.file_stem()?.to_str().map(str::to_owned));
    let name = named.unwrap_or_else(|| short(product));
    let quoted = json!(product).to_string();
    let text = NEW.replace("@NAME@", &name).replace("\"@PRODUCT@\"", &quoted);
    // What a product is called must not make it unreadable.
    LoadedProfile::from_text(&format!("{name}.ron"), &text, None).map_err(stop)?;
    let data = json!({ "name": name, "profile": text, "file": output });
    let Some(file) = output else { return Ok(Answer::read(text, data)) };
    // Nobody else may write to it, whatever the umask is: else it would not be read again.
    let written = Output::open(file).and_then(|output| output.write_new(&text, 0o644));
    written.map_err(|e| {
        let said = match &e {
            Unwritable::There => scaffold::there(file),
            other => scaffold::not_made(file, &other.why()),
        };
        Box::new(Answer::error(e.code(), Outcome::Refused, said)) as Stop
    })?;
    let next = format!("fill it in, then: backout profile check {}", super::plugin::quoted(file));
    Ok(Answer::read(if session.global.quiet { String::new() } else { next }, data))
}

/// A product's name as the name of a file.
fn short(product: &str) -> String {
    let low = product.to_lowercase();
    let words = low.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let name = words.collect::<Vec<_>>().join("-");
    if name.is_empty() { "product".to_owned() } else { name }
}

pub(crate) fn schema() -> Answer {
    Answer::read(REFERENCE.to_owned(), json!({ "format": "ron", "reference": REFERENCE }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_configuration_is_one_in_its_file() {
        assert_eq!(place_in("", (1, 3)), (1, 3));
        assert_eq!(place_in("(\n  config: ", (1, 3)), (2, 13));
        assert_eq!(place_in("(\n  config: ", (2, 3)), (3, 3));
    }

    #[test]
    fn the_reference_is_the_documented_example_and_reads() {
        let page = include_str!("../../../../docs/src/profile.md");
        let example = page.split("```ron\n").nth(1).and_then(|rest| rest.split("```").next());
        assert!(
            REFERENCE.ends_with(example.unwrap()),
            "templates/reference.ron is not what docs/src/profile.md shows"
        );
        LoadedProfile::from_text("reference.ron", REFERENCE, None).unwrap();
    }

    #[test]
    fn products_have_names_that_files_can_have() {
        assert_eq!(short("Example Server 2.0 (x64)"), "example-server-2-0-x64");
        assert_eq!(short("サーバー"), "product");
    }
}
