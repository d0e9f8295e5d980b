//! Writes a learned profile as RON that people go on with: what nobody could see is marked `FILL IN`.

use super::{
    Named, Told,
    backups::Folder,
    compare::{Difference, Row, Turn, Unsaid, digest},
    parts::Part,
};
use backout_protocol::{
    FileVersion, HostPath, NameRule, SnapshotId,
    message::Reject,
    path::encode,
    profile::{ServiceNeed, Timeouts},
    text::to_ron,
};

/// All that goes into the text.
pub(super) struct Page<'a> {
    pub told: &'a Told,
    pub snapshot: &'a SnapshotId,
    pub names: NameRule,
    pub exclude: &'a [String],
    /// The variables, those of the roots first and in their order.
    pub variables: Vec<Named>,
    pub roots: Vec<HostPath>,
    /// The version that most files have behind the installer, and before it.
    pub build: Option<FileVersion>,
    pub was: Option<FileVersion>,
    pub parts: &'a [Part],
    pub unsaid: &'a [Unsaid],
    pub times: usize,
    pub data: &'a [HostPath],
}

/// A text as RON.
fn quoted(text: &str) -> String {
    to_ron(&text).map_or_else(|_| format!("{text:?}"), |ron| ron.trim_end().to_owned())
}

/// A path in a comment: on one line, whatever is in it.
fn shown(path: &HostPath) -> String {
    encode(path.0.as_os_str())
}

/// The whole text.
pub(super) fn text(page: &Page<'_>) -> String {
    let mut out = Vec::new();
    head(page, &mut out);
    out.push("(".to_owned());
    product(page, &mut out);
    folders(page, &mut out);
    out.push("  components: [".to_owned());
    page.parts.iter().for_each(|part| component(page, part, &mut out));
    out.push("  ],".to_owned());
    out.push("  lists: [".to_owned());
    page.parts.iter().for_each(|part| lists(page, part, &mut out));
    out.push("  ],".to_owned());
    let Timeouts { stop, start, status, exit, settle } = page.told.timeouts;
    out.push(format!(
        "  timeouts: (stop: {stop}, start: {start}, status: {status}, exit: {exit}, settle: {settle}),"
    ));
    out.push(")".to_owned());
    out.join("\n") + "\n"
}

fn head(page: &Page<'_>, out: &mut Vec<String>) {
    let installer = encode(page.told.installer.as_ref());
    out.push(format!(
        "// Learned by backout {} from what `{installer}` changed on one machine;",
        crate::planner::TOOL
    ));
    out.push(format!(
        "// the snapshot before it was {}. What nobody could see there is marked FILL IN.",
        page.snapshot
    ));
    out.push("//".to_owned());
    out.push("// A row with `sha256` is of a file without a version: its digest as the patch leaves it and, as `before`, as it".to_owned());
    out.push("// was. Take both out where the file differs from machine to machine (host names, keys): it then goes back by its".to_owned());
    out.push("// backup alone, and an edited one is not told from a patched one.".to_owned());
    if page.parts.iter().any(|part| !part.backed && part.rows.iter().any(|r| r.turn.before().is_some())) {
        out.push("//".to_owned());
        out.push("// The installer left no backups of what stands in a component that says so: another machine needs a snapshot".to_owned());
        out.push("// (`--from snapshot:ID`) or a folder of good copies (`--from dir:FOLDER`).".to_owned());
    }
    if !page.unsaid.is_empty() || page.times > 0 {
        out.push("//".to_owned());
        out.push("// What changed and no profile can say; only a snapshot takes it back:".to_owned());
        out.extend(page.unsaid.iter().map(|one| format!("//   {}: {}", shown(&one.path), said(&one.what))));
        if page.times > 0 {
            out.push(format!("//   {} names have another time and nothing else", page.times));
        }
    }
    if !page.data.is_empty() {
        out.push("//".to_owned());
        out.push("// Files that changed and look like data (logs, or written to when the installer was gone), in no list:".to_owned());
        out.extend(page.data.iter().map(|path| format!("//   {}", shown(path))));
    }
    out.push(String::new());
}

/// A difference in words.
fn said(what: &Difference) -> String {
    match what {
        Difference::NotText => "its name is no text".to_owned(),
        Difference::Link => "a symbolic link that came, went or leads elsewhere".to_owned(),
        Difference::Kind => "it is of another kind than it was".to_owned(),
        Difference::FolderGone => "an empty folder that is gone".to_owned(),
        Difference::Other => "a socket, a pipe or a device".to_owned(),
        Difference::OldBackup => "an older backup that the installer wrote over with its own".to_owned(),
        // Names of attributes may hold anything.
        Difference::Facts(which) => encode(which.join(", ").as_ref()),
        Difference::NoBackup(why) => match why {
            Reject::Empty => "it was empty, and an empty backup is taken for none".to_owned(),
            Reject::Newer(version) => format!("it was newer, {version}"),
            Reject::WrongMachine(machine) => format!("it was made for {machine}"),
            Reject::NotPe => "it was no program, and is one".to_owned(),
            other => format!("no backup of it would be good: {other:?}"),
        },
    }
}

fn product(page: &Page<'_>, out: &mut Vec<String>) {
    let told = page.told;
    out.push(format!("  name: {},", quoted(&told.name)));
    out.push("  // FILL IN: one line for people.".to_owned());
    out.push(format!(
        "  title: (en: {}),",
        quoted(&format!("{}: what {} changes", told.name, told.installer))
    ));
    let known = told.product.as_ref();
    let name = known.map(|p| p.name.clone()).or_else(|| {
        let root = page.roots.first()?;
        Some(root.0.file_name()?.to_str()?.to_owned())
    });
    let version = page.was.map(|v| v.to_string()).or_else(|| known.map(|p| p.version.clone()));
    let from = match (page.build, known) {
        (Some(_), _) => "the versions are those that most of the changed files carry",
        (None, Some(_)) => "as the profile that was guarded says",
        (None, None) => "no file told a version",
    };
    out.push(format!("  // FILL IN what is wrong or unknown; {from}."));
    let patched = page.build.map_or_else(|| "None".to_owned(), |v| quoted(&v.to_string()));
    out.push(format!(
        "  product: (name: {}, version: {}, patch: {}, patched: {patched}),",
        quoted(&name.unwrap_or_else(|| "unknown".to_owned())),
        quoted(&version.unwrap_or_else(|| "unknown".to_owned())),
        quoted(&told.name),
    ));
    if page.names == NameRule::Folded {
        out.push("  names: Folded,".to_owned());
    }
}

fn folders(page: &Page<'_>, out: &mut Vec<String>) {
    out.push(
        "  // Where they were on that machine; elsewhere `--set NAME=FOLDER` or the site file says it."
            .to_owned(),
    );
    out.push("  variables: [".to_owned());
    for Named { name, value, folder, same_as } in &page.variables {
        let (about, holds) = match folder {
            true => ("a folder of the product", ""),
            false => ("a text", ", holds: Text"),
        };
        let place = value.0.to_str().map(|text| format!(", {}: [{}]", SYSTEM, quoted(text)));
        let place = same_as.as_ref().map(|other| format!(", same_as: {}", quoted(other))).or(place);
        if place.is_none() {
            out.push(format!("    // It was {}, which is no text.", shown(value)));
        }
        let place = place.unwrap_or_default();
        out.push(format!("    (name: {}, about: (en: {}){holds}{place}),", quoted(name), quoted(about)));
    }
    out.push("  ],".to_owned());
    let roots: Vec<String> = page.variables.iter().take(page.roots.len()).map(|v| quoted(&v.name)).collect();
    out.push(format!("  roots: [{}],", roots.join(", ")));
    if !page.exclude.is_empty() {
        let globs: Vec<String> = page.exclude.iter().map(|glob| quoted(glob)).collect();
        out.push(format!("  exclude: [{}],", globs.join(", ")));
    }
}

/// The profile's word for places on this kind of system.
const SYSTEM: &str = if cfg!(windows) { "windows" } else { "unix" };

fn variable(page: &Page<'_>, root: usize) -> String {
    page.variables.get(root).map(|v| v.name.clone()).unwrap_or_default()
}

/// A name below a root, or the root, as a location.
fn location(page: &Page<'_>, root: usize, below: Option<&str>) -> String {
    let variable = variable(page, root);
    quoted(&below.map_or_else(|| variable.clone(), |below| format!("{variable}/{below}")))
}

fn component(page: &Page<'_>, part: &Part, out: &mut Vec<String>) {
    let at = |folder: &Folder| location(page, folder.root, folder.below.as_deref());
    out.push("    (".to_owned());
    out.push(format!("      id: {},", quoted(&part.id)));
    out.push("      // FILL IN.".to_owned());
    let whose = if part.backed { "files that the installer leaves backups of" } else { "files" };
    out.push(format!("      title: (en: {}),", quoted(whose)));
    if !part.backed && part.rows.iter().any(|row| row.turn.before().is_some()) {
        out.push("      // The installer left no backups of these: `--from snapshot:ID` or `--from dir:FOLDER` brings them back.".to_owned());
    }
    let mut config = vec![format!("from: {}", at(&part.shape.from)), format!("to: {}", at(&part.shape.to))];
    config.extend(part.shape.suffix.as_ref().map(|suffix| format!("suffix: {}", quoted(suffix))));
    if part.consume {
        config.push("consume: true".to_owned());
    }
    config.push("exact: true".to_owned());
    if !part.made.is_empty() {
        let made = part.made.iter().map(|spot| location(page, spot.root, Some(&spot.text)));
        config.push(format!("made: [{}]", made.collect::<Vec<_>>().join(", ")));
    }
    let images: Vec<String> =
        page.told.services.iter().filter_map(|s| s.image.as_deref()).map(quoted).collect();
    if !images.is_empty() {
        config.push(format!("wait_exit: [{}]", images.join(", ")));
    }
    let (plugin, config) = (quoted(&page.told.plugin), config.join(", "));
    out.push(format!("      role: Restore(plugin: {plugin}, config: ({config})),"));
    let spot = |spot: &super::compare::Spot| location(page, spot.root, Some(&spot.text));
    let marker = part.marker.as_ref().map(|m| format!("marker: {}", spot(m)));
    let backups = part.backup.as_ref().map(|b| format!("backups: [{}]", spot(b)));
    let presence: Vec<String> = marker.into_iter().chain(backups).collect();
    out.push(format!("      presence: ({}),", presence.join(", ")));
    if !page.told.services.is_empty() {
        out.push("      services: [".to_owned());
        for service in &page.told.services {
            if let Some(unit) = &service.unit {
                out.push(format!("        // On that machine its unit was {}.", encode(unit.as_ref())));
            }
            let need = if service.need == ServiceNeed::Optional { ", need: Optional" } else { "" };
            let image = service.image.as_ref().map(|i| format!(", image: {}", quoted(i))).unwrap_or_default();
            out.push(format!("        (name: {}{need}{image}),", quoted(&service.name.to_string())));
        }
        out.push("      ],".to_owned());
    }
    let lists = roots_of(part).into_iter().map(|root| format!("(list: {})", list_id(page, part, root)));
    out.push(format!("      lists: [{}],", lists.collect::<Vec<_>>().join(", ")));
    out.push("    ),".to_owned());
}

/// The roots that a component's files lie in.
fn roots_of(part: &Part) -> Vec<usize> {
    let mut roots: Vec<usize> = part.rows.iter().map(|row| row.spot.root).collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

fn list_id(page: &Page<'_>, part: &Part, root: usize) -> String {
    quoted(&format!("{}-in-{}", part.id, variable(page, root)))
}

fn lists(page: &Page<'_>, part: &Part, out: &mut Vec<String>) {
    for root in roots_of(part) {
        out.push("    (".to_owned());
        out.push(format!("      id: {}, folder: {},", list_id(page, part, root), location(page, root, None)));
        out.push("      files: [".to_owned());
        part.rows.iter().filter(|row| row.spot.root == root).for_each(|one| row(one, out));
        out.push("      ],".to_owned());
        out.push("    ),".to_owned());
    }
}

fn row(row: &Row, out: &mut Vec<String>) {
    let mut fields = vec![format!("name: {}", quoted(&row.spot.text))];
    let hex = |image| digest(image).map(|d| quoted(&d.to_string()));
    let version = row.turn.version();
    let was = row.turn.before().and_then(|image| image.version);
    match (&row.turn, version) {
        (Turn::Replaced { .. }, Some(version)) => {
            out.extend(was.map(|was| format!("        // It was {was}.")));
            fields.push(format!("version: {}", quoted(&version.to_string())));
        }
        (Turn::Replaced { before, after }, None) => {
            let versions = was.or(after.version).is_some();
            if versions {
                let shown =
                    |v: Option<FileVersion>| v.map_or_else(|| "no version".to_owned(), |v| v.to_string());
                out.push(format!("        // It was {}, and is {}.", shown(was), shown(after.version)));
            }
            fields.extend(hex(after).map(|d| format!("sha256: {d}")));
            fields.extend(hex(before).map(|d| format!("before: {d}")));
        }
        (Turn::Added(after), version) => {
            fields.push("added: true".to_owned());
            fields.extend(version.map(|v| format!("version: {}", quoted(&v.to_string()))));
            fields.extend(hex(after).map(|d| format!("sha256: {d}")));
        }
        (Turn::Removed(before), _) => {
            out.extend(was.map(|was| format!("        // It was {was}.")));
            fields.push("removed: true".to_owned());
            fields.extend(hex(before).map(|d| format!("before: {d}")));
        }
    }
    out.push(format!("        ({}),", fields.join(", ")));
}
