//! A profile: everything about one product's patch that is data. CONTRACT; `docs/src/profile.md` holds a commented example.

use crate::{ComponentId, Digest, FileVersion, KeyPath, MachineType, NameRule, ServiceName, text::Text};
use ron::value::RawValue;
use serde::{Deserialize, Serialize};

/// One product, one patch, and how its components are rolled back.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name it is asked for by; the file is `NAME.ron`.
    pub name: String,
    /// One line for people.
    pub title: Text,
    /// What it is about.
    pub product: Product,
    /// Whether it takes the product back or forward.
    #[serde(default)]
    pub goes: Goes,
    /// How the product compares file names.
    #[serde(default)]
    pub names: NameRule,
    /// Builds that are known by name, for the plan's "will be reached" line.
    #[serde(default)]
    pub builds: Vec<Build>,
    /// Folders, by name.
    pub variables: Vec<Variable>,
    /// Folders whose trees a snapshot takes, as variables or folders below them; empty: those of all variables that have
    /// a value.
    #[serde(default)]
    pub roots: Vec<String>,
    /// What of them a snapshot leaves out: globs over the path below the root. One without `/` is of a name at any depth.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Keys of the registry that a snapshot keeps, each as programs of 64 and of 32 bits see it. Elsewhere than on Windows
    /// there are none.
    #[serde(default)]
    pub registry: Vec<KeyPath>,
    /// Components, in the order they are worked on.
    pub components: Vec<Component>,
    /// Lists of the files that the patch brings.
    #[serde(default)]
    pub lists: Vec<FileList>,
    /// What must hold before anything is touched.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// What must hold after the services are up again, beside their running.
    #[serde(default)]
    pub health: Vec<Probe>,
    /// What a rollback gives up, and from which build on it was there.
    #[serde(default)]
    pub advisories: Vec<Advisory>,
    /// What to remind people of, before and after.
    #[serde(default)]
    pub reminders: Vec<Reminder>,
    /// Questions that people have about this patch, which `doctor` answers where it sees the reason for them.
    #[serde(default)]
    pub questions: Vec<Question>,
    /// What keeps this patch from being put in by `guard`: each is refused where its sign is seen. What cannot be seen is
    /// refused until a person has confirmed that it is no matter.
    #[serde(default)]
    pub before_patch: Vec<Question>,
    /// Seconds to wait.
    #[serde(default)]
    pub timeouts: Timeouts,
}

/// Which way a profile takes its product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goes {
    /// To the state before a patch: `backout rollback`.
    #[default]
    Back,
    /// Forward, to other settings: `backout apply`. `backout undo` takes that back.
    Forward,
}

/// The product and the patch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// As its maker writes it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The patch's name.
    pub patch: String,
    /// The build the patch brings, with the version line that this product's builds are counted in.
    pub patched: Option<FileVersion>,
}

/// A build known by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Its number: the last part of the version.
    pub build: u16,
    /// What it is called.
    pub name: String,
}

impl Profile {
    /// Whether the variable of this name holds a folder.
    pub fn is_folder(&self, variable: &str) -> bool {
        self.variables.iter().any(|v| v.name == variable && v.holds == Holds::Folder)
    }
}

/// What the value of a variable is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Holds {
    /// A folder of the product: an absolute path.
    #[default]
    Folder,
    /// A text for plugins to use. No file is looked for by it.
    Text,
}

/// A folder of the product, or a text that plugins use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name: `[a-z0-9_]`.
    pub name: String,
    /// What it is.
    pub about: Text,
    /// What its value is.
    #[serde(default)]
    pub holds: Holds,
    /// Takes the value of this variable unless set itself.
    #[serde(default)]
    pub same_as: Option<String>,
    /// Places to look on Windows, in order; the first that exists is taken.
    #[serde(default)]
    pub windows: Vec<String>,
    /// Places to look elsewhere, in order; the first that exists is taken.
    #[serde(default)]
    pub unix: Vec<String>,
    /// Registry values to look at on Windows before `windows`.
    #[serde(default)]
    pub registry: Vec<RegistryValue>,
}

/// A registry value that holds a folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryValue {
    /// The key below HKEY_LOCAL_MACHINE; both the 64-bit and the 32-bit view are looked at.
    pub key: String,
    /// The value's name.
    pub value: String,
}

/// One independently rolled-back part of a product.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Its id.
    pub id: ComponentId,
    /// One line for people.
    pub title: Text,
    /// What is done for it.
    pub role: Role,
    /// How to see that it is there.
    pub presence: Presence,
    /// Its services, in the order they are stopped and started.
    #[serde(default)]
    pub services: Vec<ServiceUse>,
    /// Which lists' files are its own.
    #[serde(default)]
    pub lists: Vec<ListUse>,
}

/// What is done for a component.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Role {
    /// A plugin plans its rollback.
    Restore {
        /// The plugin's manifest id.
        plugin: String,
        /// What the plugin needs to know; only it reads this.
        config: Box<RawValue>,
    },
    /// Its files are checked by `verify`; nothing rolls it back. `why` is said whenever it stays patched.
    VerifyOnly {
        /// Why, and what that means.
        why: Text,
    },
    /// Its files are shown, never judged.
    ReportOnly,
}

/// How to see that a component is on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    /// A file that is there exactly if the component is: `variable/name`.
    #[serde(default)]
    pub marker: Option<String>,
    /// Folders its backups lie in: `variable/name`.
    #[serde(default)]
    pub backups: Vec<String>,
}

/// A service of a component.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceUse {
    /// Its display name.
    pub name: ServiceName,
    /// Whether a machine with this component must have it.
    #[serde(default)]
    pub need: ServiceNeed,
    /// The base name of the program that runs, from below the product's folders, when the service does. Looked for after
    /// the window; where it is not given only the service's state counts.
    #[serde(default)]
    pub image: Option<String>,
}

/// Whether a service must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum ServiceNeed {
    /// Its absence is a refusal.
    #[default]
    Required,
    /// Where it is absent it is not installed, and nothing is made of it.
    Optional,
}

/// A list of a component, and when it applies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListUse {
    /// The list's id.
    pub list: String,
    /// Only where the presence marker is a PE file of this machine type.
    #[serde(default)]
    pub when: Option<MachineType>,
}

/// Files of the patch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileList {
    /// Its id.
    pub id: String,
    /// The folder its files are presumed in: `variable` or `variable/name`.
    pub folder: String,
    /// The rows.
    pub files: Vec<FileRow>,
}

/// One file of the patch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRow {
    /// Its name.
    pub name: String,
    /// Its version once patched; `None` where the page says none.
    #[serde(default)]
    pub version: Option<FileVersion>,
    /// Digest of its bytes once patched. Where it is given, a live file that is neither these bytes nor those of a backup
    /// is known to have been edited.
    #[serde(default)]
    pub sha256: Option<Digest>,
    /// Another folder than the list's.
    #[serde(default)]
    pub folder: Option<String>,
    /// It may be made for another machine type than its list is used for.
    #[serde(default)]
    pub any_machine: bool,
    /// Other spellings.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Digest of its bytes before the patch, where they are the same on every machine: a live file with these bytes is
    /// known to be back.
    #[serde(default)]
    pub before: Option<Digest>,
    /// The patch added it; the rollback takes it away.
    #[serde(default)]
    pub added: bool,
    /// The patch takes it away; the rollback brings it back.
    #[serde(default)]
    pub removed: bool,
}

/// Something that must hold before anything is touched.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Check {
    /// No process of these images may run from below these folders while one of these components is worked on.
    Closed {
        /// Executable base names.
        images: Vec<String>,
        /// Variables or folders below them.
        under: Vec<String>,
        /// The components it is about.
        components: Vec<ComponentId>,
        /// What to do about it.
        help: Text,
    },
}

/// A command that exits 0 if all is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// What it looks at.
    pub name: String,
    /// The service that it is about: it is run only where that one is in the run and up. `None`: it is always run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// Program (an absolute path) and arguments.
    pub run: Vec<String>,
}

/// What a rollback gives up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advisory {
    /// A stable short id.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// The component it is about; `None`: the product.
    #[serde(default)]
    pub component: Option<ComponentId>,
    /// The first build that has the fix.
    pub fixed_in: u16,
    /// What comes back.
    pub text: Text,
}

/// How bad an advisory is; the worst is shown first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Somebody else can run code on, or destroy, the machine.
    Critical,
    /// Something the product is for stops working.
    Serious,
    /// A nuisance.
    Minor,
}

/// A sentence to say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminder {
    /// When.
    pub when: Moment,
    /// Only where one of these components is in the run; empty: always.
    #[serde(default)]
    pub components: Vec<ComponentId>,
    /// What.
    pub text: Text,
}

/// A question that people have about a patch, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// A stable short id.
    pub id: String,
    /// How its reason is seen on a machine.
    pub sign: Sign,
    /// What is the matter.
    pub text: Text,
    /// What helps.
    pub remedy: Text,
}

/// How the reason for a question is seen.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Sign {
    /// A stopped service has left a process of one of these images, running from below one of these folders.
    Lingers {
        /// The service.
        service: ServiceName,
        /// Executable base names.
        images: Vec<String>,
        /// Variables or folders below them.
        under: Vec<String>,
    },
    /// Something lies in this folder.
    NotEmpty {
        /// The folder: `variable/name`.
        folder: String,
    },
    /// A file of this component shows an older build.
    Below {
        /// The component.
        component: ComponentId,
        /// The first build without the matter.
        build: u16,
    },
    /// A file is of another version line than the product's `patched`: another version of the product.
    OtherLine {
        /// The file: `variable/name`.
        file: String,
    },
    /// The version resource of a file is in another language than this, of whatever country: another edition of the product.
    /// One that is in none, or in several, tells nothing. As an edition may well have files of another language, a person may say otherwise.
    OtherLanguage {
        /// The file: `variable/name`.
        file: String,
        /// The language, as Windows numbers them.
        language: u16,
    },
    /// It cannot be seen: it is told as advice where one of these components is here.
    Untold {
        /// The components.
        components: Vec<ComponentId>,
    },
}

/// Which bits of a language's number (`LANGID`) say which language it is, of whatever country.
pub const LANGUAGE: u16 = 0x3ff;

impl Sign {
    /// Whether a person may say that it is no hindrance, as nothing on the machine tells for sure.
    pub fn can_be_confirmed(&self) -> bool {
        matches!(self, Sign::Untold { .. } | Sign::OtherLanguage { .. })
    }
}

/// When a reminder is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Moment {
    /// With the plan.
    Before,
    /// With the result.
    After,
}

/// Seconds to wait for things. A site may change each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For a service to be stopped.
    pub stop: u32,
    /// For a service to be running.
    pub start: u32,
    /// For one status command.
    pub status: u32,
    /// For processes to be gone after their service stopped.
    pub exit: u32,
    /// How long a started service must stay running before it is believed.
    pub settle: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { stop: 120, start: 120, status: 10, exit: 60, settle: 5 }
    }
}

/// What is wrong with a profile that reads well but cannot be meant, if anything.
pub fn contradiction(profile: &Profile) -> Option<String> {
    let variables: Vec<&str> = profile.variables.iter().map(|v| v.name.as_str()).collect();
    let lists: Vec<&str> = profile.lists.iter().map(|l| l.id.as_str()).collect();
    let ids: Vec<&str> = profile.components.iter().map(|c| c.id.as_str()).collect();
    let twice = |names: &[&str]| {
        let mut seen = std::collections::BTreeSet::new();
        names.iter().find(|n| !seen.insert(**n)).map(|n| (*n).to_owned())
    };
    if !is_name(&profile.name) {
        return Some(format!("the name `{}` has other characters than A-Z a-z 0-9 . _ -", profile.name));
    }
    for (what, names) in [("variable", &variables), ("list", &lists), ("component", &ids)] {
        if let Some(name) = twice(names) {
            return Some(format!("the {what} `{name}` stands there twice"));
        }
    }
    let bad_location = |text: &str| {
        let (variable, below) = text.split_once('/').map_or((text, None), |(v, b)| (v, Some(b)));
        if !profile.is_folder(variable) {
            return Some(format!("`{text}` begins with no folder's variable of this profile"));
        }
        below.and_then(|b| crate::RelPath::new(b).err()).map(|e| format!("`{text}`: {e}"))
    };
    for variable in &profile.variables {
        if let Some(other) = &variable.same_as
            && profile.variables.iter().all(|v| v.name != *other || v.same_as.is_some())
        {
            return Some(format!(
                "`{}` is the same as `{other}`, which is no variable with a place of its own",
                variable.name
            ));
        }
    }
    if let Some(why) = profile.roots.iter().find_map(|root| bad_location(root)) {
        return Some(why);
    }
    for list in &profile.lists {
        for folder in std::iter::once(&list.folder).chain(list.files.iter().filter_map(|f| f.folder.as_ref()))
        {
            if let Some(why) = bad_location(folder) {
                return Some(why);
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for row in &list.files {
            let patched = row.version.is_some() || row.sha256.is_some();
            if (row.added && (row.removed || row.before.is_some())) || (row.removed && patched) {
                let why = "added has no state before the patch, and one that is removed none behind it";
                return Some(format!("list `{}`: `{}`: a file that is {why}", list.id, row.name));
            }
            for name in std::iter::once(&row.name).chain(&row.aliases) {
                if crate::RelPath::new(name).is_err() || !names.insert(profile.names.key(name.as_ref())) {
                    return Some(format!(
                        "list `{}`: `{name}` is no plain path or stands there twice",
                        list.id
                    ));
                }
            }
        }
    }
    for component in &profile.components {
        for place in component.presence.marker.iter().chain(&component.presence.backups) {
            if let Some(why) = bad_location(place) {
                return Some(why);
            }
        }
        if let Some(unknown) = component.lists.iter().find(|l| !lists.contains(&l.list.as_str())) {
            return Some(format!(
                "component `{}` uses the list `{}`, which is not there",
                component.id, unknown.list
            ));
        }
    }
    for check in &profile.checks {
        let Check::Closed { under, components, .. } = check;
        if let Some(why) = under.iter().find_map(|u| bad_location(u)) {
            return Some(why);
        }
        if let Some(unknown) = components.iter().find(|c| !ids.contains(&c.as_str())) {
            return Some(format!("a check is about the component `{unknown}`, which is not there"));
        }
    }
    for question in profile.questions.iter().chain(&profile.before_patch) {
        if let Sign::OtherLanguage { language, .. } = &question.sign
            && language & LANGUAGE == 0
        {
            return Some(format!("`{}`: 0x{language:04x} is no language", question.id));
        }
        if matches!(question.sign, Sign::OtherLine { .. }) && profile.product.patched.is_none() {
            return Some(format!("`{}` needs the product's `patched`", question.id));
        }
        let folders: &[String] = match &question.sign {
            Sign::Lingers { under, .. } => under,
            Sign::NotEmpty { folder: place }
            | Sign::OtherLine { file: place }
            | Sign::OtherLanguage { file: place, .. } => std::slice::from_ref(place),
            Sign::Below { .. } | Sign::Untold { .. } => &[],
        };
        if let Some(why) = folders.iter().find_map(|f| bad_location(f)) {
            return Some(why);
        }
        let about: &[ComponentId] = match &question.sign {
            Sign::Below { component, .. } => std::slice::from_ref(component),
            Sign::Untold { components } => components,
            Sign::Lingers { .. }
            | Sign::NotEmpty { .. }
            | Sign::OtherLine { .. }
            | Sign::OtherLanguage { .. } => &[],
        };
        if let Some(unknown) = about.iter().find(|c| !ids.contains(&c.as_str())) {
            return Some(format!("a question is about the component `{unknown}`, which is not there"));
        }
        if let Sign::Lingers { service, .. } = &question.sign
            && profile.components.iter().flat_map(|c| &c.services).all(|s| s.name != *service)
        {
            return Some(format!("a question is about the service `{service}`, which no component has"));
        }
    }
    let named = profile.advisories.iter().filter_map(|a| a.component.as_ref());
    let mut named = named.chain(profile.reminders.iter().flat_map(|r| &r.components));
    if let Some(unknown) = named.find(|c| !ids.contains(&c.as_str())) {
        return Some(format!(
            "an advisory or reminder is about the component `{unknown}`, which is not there"
        ));
    }
    let services = || profile.components.iter().flat_map(|c| &c.services);
    let mut asked = profile.health.iter().filter_map(|p| Some((&p.name, p.service.as_ref()?)));
    if let Some((probe, unknown)) = asked.find(|(_, s)| services().all(|known| known.name != **s)) {
        return Some(format!("the probe `{probe}` is about the service `{unknown}`, which no component has"));
    }
    if let Some(image) = services().filter_map(|s| s.image.as_ref()).find(|image| !is_base_name(image)) {
        return Some(format!("`{image}`, the image of a service, is no base name of a program"));
    }
    let mut argv0 = profile.health.iter().filter_map(|p| p.run.is_empty().then_some(&p.name));
    argv0.next().map(|probe| format!("the probe `{probe}` runs nothing"))
}

/// Whether `name` can be a profile's name.
pub fn is_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    plain && !name.is_empty() && !name.starts_with('.')
}

/// Whether `name` is the name of a file without any folder.
pub fn is_base_name(name: &str) -> bool {
    !name.contains(['/', '\\']) && crate::RelPath::new(name).is_ok()
}
