//! `backout profile`: which there are, what they say, whether they can be used.

use crate::{
    answer::Answer,
    messages::text,
    session::{BUILT_IN, Session, Stop, stop},
};
use backout_engine::{LoadedProfile, Refusal};
use backout_protocol::profile::{Goes, Role};
use serde_json::json;

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
    let loaded = session.profile(name)?;
    for component in &loaded.profile.components {
        if let Role::Restore { plugin, .. } = &component.role {
            session.plugins.find(plugin).map_err(|e| stop(Refusal::Plugin(e.into())))?;
        }
    }
    Ok(Answer::read(format!("`{}` reads well, and its plugins are here", loaded.profile.name), json!(null)))
}
