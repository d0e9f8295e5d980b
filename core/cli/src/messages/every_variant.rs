//! Every variant of every error and warning has its own code and says something.

use super::{Said, failure, notice, refusal, stuck};
use crate::exit_code;
use backout_disk::{Error, ErrorKind};
use backout_engine::{
    Failure, Refusal, Stuck,
    advice::Told,
    faces::{Cancelled, HostError},
    failure::{Holders, Left},
    guard::delicate::{Data, OpenFile},
    learn::target::Cannot as Unlearnable,
    refusal::{NotCommittable, NotUndoable, PathFlag, Trusted, Unwatchable, Wanting},
    snapshot::{Cannot, InUse},
};
use backout_journal::Unreadable;
use backout_machine::{
    packages::{Manager, Owner, Records},
    registry::RegistryError,
    service::ServiceError,
};
use backout_protocol::{
    ComponentId, HostPath, KeyName, Notice, Outcome, Place, RelPath, RunId, ServiceName, SnapshotId,
    guard::Exit,
    notice::{NotLearned, Stays},
    plan::{Origin, PlanDrift, Resolved},
    profile::{Goes, Severity},
    registry::View,
    text::{RonError, Text},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

fn component() -> ComponentId {
    "normal-server".parse().unwrap()
}
fn service() -> ServiceName {
    "Trend ServerProtect".parse().unwrap()
}
fn run() -> RunId {
    "01m83e7csdtk1bmvtwjf7418jg".parse().unwrap()
}
fn snapshot() -> SnapshotId {
    "01m83e7csdtk1bmvtwjf7418jg".parse().unwrap()
}
fn path() -> HostPath {
    HostPath("/srv/sp".into())
}
fn place() -> Place {
    Place { root: path(), rel: RelPath::new("eng50.dll").unwrap() }
}
fn key() -> KeyName {
    KeyName { view: View::Bits64, path: r"HKLM\SOFTWARE\Vendor".parse().unwrap() }
}
fn disk(kind: ErrorKind) -> Error {
    Error { kind, op: "open".into(), path: "/srv/sp".into(), cause: None }
}
fn spawn() -> ServiceError {
    ServiceError::Spawn {
        service: service(),
        argv: "/srv/ctl".into(),
        source: std::io::Error::other("no such interpreter"),
    }
}

fn host_errors() -> Vec<HostError> {
    let failure = backout_protocol::message::Failure { message: "no home".into(), at: Some((1, 2)) };
    vec![
        HostError::NotFound { id: "x".into(), searched: vec![path()] },
        HostError::Distrusted { file: path(), why: "w".into() },
        HostError::Unfit { file: path(), why: "w".into() },
        HostError::Broken { plugin: "x".into(), why: "w".into() },
        HostError::Failed { plugin: "x".into(), failure },
    ]
}

fn refusals() -> Vec<Refusal> {
    use Refusal as R;
    let why = || "w".to_owned();
    let version = "5.80.0.1297".parse().unwrap();
    let mut all = vec![
        R::ProfileNotFound { name: "x".into(), searched: Vec::new() },
        R::Unreadable { path: path(), why: why() },
        R::Malformed(RonError { file: "f".into(), line: 1, column: 2, why: why() }),
        R::ProfileInvalid { profile: "x".into(), why: why() },
        R::Distrusted { what: Trusted::Site, path: path(), why: why() },
        R::ProgramNotAbsolute { program: "ctl".into() },
        R::ComponentUnknown { component: component(), known: vec![component()] },
        R::ComponentAbsent { component: component(), marker: Some(path()) },
        R::ComponentNotRestorable { component: component(), why: None },
        R::NoListFor { component: component(), machine: None },
        R::NothingPresent { profile: "x".into() },
        R::NothingLive {
            component: component(),
            variable: "home".into(),
            value: Resolved { value: path(), origin: Origin::Site },
        },
        R::VariableMissing { variable: "home".into(), about: Text::en("a folder") },
        R::VariableUnknown { variable: "hom".into(), known: vec!["home".into()] },
        R::VariableNotAbsolute { variable: "home".into(), value: path() },
        R::BadProposal { plugin: "x".into(), why: why() },
        R::TooManyActions { wanted: 65, most: 64 },
        R::ActionNotReady { component: component(), action: "a".into(), why: why() },
        R::UndoActionDrift { component: component(), action: "a".into() },
        R::WrongVerb { profile: "x".into(), goes: Goes::Forward },
        R::SiteServiceUnknown { service: service(), known: vec![service()] },
        R::ServiceMissing { service: service(), component: component() },
        R::Service(spawn()),
        R::Service(ServiceError::NoManager),
        R::Service(ServiceError::AtWork { service: service(), unit: "u".into() }),
        R::Service(ServiceError::Unholdable { why: "w".into() }),
        R::NewerOnTop { files: vec![(place(), version, version)] },
        R::NoGoodBackup {
            wanting: vec![Wanting {
                target: place(),
                component: component(),
                rejected: Vec::new(),
                elsewhere: Some(component()),
            }],
        },
        R::BackupsDiffer { target: place(), backups: Vec::new() },
        R::PreferUnused { target: "x".into(), component: component() },
        R::Drifted { targets: vec![place()] },
        R::PathUnused { flag: PathFlag::KeepLocal, path: "x".into() },
        R::NoInstaller { program: "setup".into(), why: why() },
        R::DatabaseFiles { found: vec![Data { path: path(), of: "PostgreSQL", glob: Some("pg".into()) }] },
        R::OpenForWriting {
            files: vec![OpenFile { path: path(), glob: "a.log".into(), holders: vec![("i".into(), 7)] }],
        },
        R::Packaged {
            owners: vec![Owner {
                records: Records::Dpkg,
                package: "p".into(),
                version: "1".into(),
                files: 2,
                first: None,
            }],
        },
        R::PackageManager { program: path(), manager: Manager { name: "apt", back: "`apt-get`" } },
        R::CannotLearn { path: path(), why: Unlearnable::Exists },
        R::CannotLearn { path: path(), why: Unlearnable::Name },
        R::CannotLearn { path: path(), why: Unlearnable::Folder(why()) },
        R::CannotLearn { path: path(), why: Unlearnable::Covered(path()) },
        R::NoHolder { why: why() },
        R::NotWatchable { path: path(), why: Unwatchable::System },
        R::WatchedServiceUnknown { service: service() },
        R::NoWaiter { why: why() },
        R::NotFit { found: vec![told()] },
        R::ConfirmsNothing { asked: "x".into(), known: vec!["y".into()] },
        R::AwaitsConfirm { run: run(), left: Duration::from_secs(61) },
        R::NothingAwaits,
        R::ConfirmUnknown { asked: "x".into(), waiting: Some(run()) },
        R::AwaitsNothing { run: run() },
        R::ConfirmTooLate { run: run() },
        R::NamesFoldAlike { names: vec![place(), place()] },
        R::StepsContradict { target: place() },
        R::MustBeClosed { processes: vec![("Admin.exe".into(), 7)], help: Text::en("close it") },
        R::InTheWay { what: Trusted::State, path: path(), of: path() },
        R::InTheWay { what: Trusted::Site, path: path(), of: path() },
        R::Symlink { path: path() },
        R::NotAFile { path: path() },
        R::HardLinked { path: path(), links: 2 },
        R::Immutable { path: path() },
        R::MountPoint { path: path() },
        R::MountGone { path: path() },
        R::ReadOnly { path: path() },
        R::FolderMissing { path: path() },
        R::NoRights { path: path() },
        R::NoSpace { folder: path(), needed: 2, available: 1 },
        R::BootManager { why: "w".into() },
        R::BootElsewhere { state: "/s".into() },
        R::NotAPackage { folder: path(), why: why() },
        R::PackageSpoilt { file: path(), why: why() },
        R::InstallFailed { path: path(), why: why() },
        R::HeldElsewhere { path: path() },
        R::ForeignRun { folder: path(), run: "r".into(), state: Some(path()) },
        R::StateTooNew { path: path(), found: (9, 0) },
        R::State { path: path(), why: why() },
        R::Unfinished { run: run() },
        R::Locked { pid: Some(7) },
        R::PlanStale { drift: vec![PlanDrift::Profile] },
        R::InUse { path: path(), holders: Holders(vec![("i".into(), 7)]) },
        R::Look(disk(ErrorKind::Other)),
        R::TooDeep { path: path(), most: 1 },
        R::Cancelled(Cancelled::Asked),
        R::StageFailed(disk(ErrorKind::NoSpace)),
        R::StageFailed(disk(ErrorKind::Other)),
        R::BeforeStop(Failure::Journal { why: why() }),
        R::SourceChanged { source: place() },
        R::JournalFailed { why: why() },
        R::MovedAtBoot { path: path() },
        R::NothingToUndo,
        R::RunUnknown { run: "x".into() },
        R::RunNotUndoable { run: run(), why: NotUndoable::IsAnUndo },
        R::UndoDrift { targets: vec![place()], on_top: vec![(place(), run())] },
        R::BeforeImageLost { target: place() },
        R::NotConfirmed,
        R::NoDelayedMoves,
        R::RebootNotSettled,
        R::RebootPending { run: run() },
        R::NoRebootPending { run: run() },
        R::CommitPending { run: run() },
        R::NothingStaged,
        R::CommitUnknown { asked: "x".into(), waiting: Some(run()) },
        R::CommitOver { run: run(), why: NotCommittable::PutBack(why()) },
        R::NoCommitPending { run: run() },
        R::StagedDrift { run: run(), drift: vec![PlanDrift::Target("f".into())] },
        R::StagedStale { run: run(), why: Box::new(R::Drifted { targets: vec![place()] }) },
        R::StillStaged { run: run(), why: Box::new(R::Cancelled(Cancelled::Asked)) },
        R::StagedSpoilt { run: run(), path: path(), why: why() },
        R::Declined,
        R::SnapshotUnknown { asked: "x".into(), known: Vec::new() },
        R::SnapshotUnknown { asked: "x".into(), known: vec![snapshot()] },
        R::SnapshotDamaged { id: snapshot(), what: vec![why()] },
        R::SnapshotTooNew { id: snapshot(), found: (9, 0) },
        R::SnapshotKept { id: snapshot(), why: InUse::Pinned },
        R::SnapshotFailed(disk(ErrorKind::NoSpace)),
        R::SnapshotFailed(disk(ErrorKind::Other)),
        R::SnapshotElsewhere { id: snapshot(), path: path() },
        R::SnapshotCannot { id: snapshot(), names: vec![(place(), Cannot::IsLink)] },
        R::Changing { path: path() },
        R::BadGlob { glob: "[".into(), why: why() },
        R::SettingUnread { setting: "k".into(), why: why() },
        R::Registry(RegistryError::None),
        R::Registry(RegistryError::TooMuch { key: key(), what: why() }),
        R::Registry(RegistryError::OddName { key: key() }),
    ];
    all.extend(host_errors().into_iter().map(R::Plugin));
    all
}

fn told() -> Told {
    let text = || Text::en("empty the folder");
    let seen = Some("1 files lie in `/h`".into());
    Told { id: "hotfix".into(), seen, can_be_confirmed: false, text: text(), remedy: text() }
}

fn failures() -> Vec<Failure> {
    use Failure as F;
    let why = || "w".to_owned();
    vec![
        F::Service(spawn()),
        F::Died { service: service() },
        F::WrongImage { service: service(), image: "SpntSvc.exe".into() },
        F::Joined { service: service() },
        F::Lingering { processes: vec![("EarthAgent.exe".into(), 7)] },
        F::Process { why: why() },
        F::MustBeClosed { processes: vec![("Admin.exe".into(), 7)], help: Text::en("close it") },
        F::Drift { targets: vec![place()] },
        F::Swap {
            target: place(),
            error: disk(ErrorKind::Busy),
            holders: Box::new(Holders(vec![("i".into(), 7)])),
        },
        F::InDoubt { target: place() },
        F::Probe { name: "p".into(), why: why() },
        F::Cancelled(Cancelled::Deadline),
        F::Journal { why: why() },
        F::Hold { why: "w".into() },
        F::StopGoesOn,
        F::Action { component: component(), action: "a".into(), why: why() },
        F::Setting { setting: "k".into(), why: why() },
        F::SettingDrift { names: vec![why()] },
        F::ActionDrift { component: component(), action: "a".into() },
        F::ActionInDoubt { component: component(), action: "a".into() },
        F::Queue { why: why() },
        F::NotMounted { folder: path() },
        F::Recorded { why: why() },
        F::OutOfReach { error: disk(ErrorKind::Symlink) },
        F::Installer(Exit::Code(1)),
        F::NotWhole { files: vec![path()], why: String::new() },
        F::NotJudged,
        F::InstallerRuns { processes: vec![("i".into(), 7)] },
        F::MsiRuns,
        F::NeverLetGo,
        F::NotConfirmed { within: 600 },
        F::AwaitsConfirm { run: run(), left: Duration::from_secs(61) },
    ]
}

fn stucks() -> Vec<Stuck> {
    use Stuck as S;
    let why = || "w".to_owned();
    vec![
        S::Died { service: "S".parse().unwrap() },
        S::Service(spawn()),
        S::Process { why: why() },
        S::Target {
            target: place(),
            error: disk(ErrorKind::Busy),
            holders: Box::new(Holders(vec![("i".into(), 7)])),
        },
        S::Setting { setting: "k".into(), why: why() },
        S::Action { component: component(), action: "a".into(), why: why() },
        S::BeforeImageLost { target: place() },
        S::RecordLost { target: place(), at: path() },
        S::ArmedLost { what: "w".into() },
        S::Journal { path: path(), why: Unreadable::TooNew { found: (9, 0) } },
        S::Companion { path: path(), why: why() },
        S::NotDurable { why: why() },
        S::WayBack {
            snapshot: snapshot(),
            left: Left::default(),
            why: Box::new(Refusal::Locked { pid: None }),
        },
        S::WayBackFailed {
            snapshot: snapshot(),
            left: Left { partly: true, down: vec![service()] },
            why: Box::new(Failure::StopGoesOn),
        },
    ]
}

fn notices() -> Vec<Notice> {
    use Notice as N;
    vec![
        N::LeftRestarting { service: service() },
        N::FoundStopped { service: service(), start: "ctl start".into() },
        N::StaysPatched { component: component(), files: vec!["a".into()], why: Text::en("w") },
        N::LeftOut { target: place(), why: Stays::Drifted },
        N::ActionLeftOut { component: component(), action: "a".into() },
        N::SettingsNotOfComponent { settings: 2 },
        N::ConfigurationStays { service: service(), what: vec!["w".into()] },
        N::KeyStays { key: key(), why: "w".into() },
        N::SettingDriftKept { names: vec!["n".into()] },
        N::ActionNotInSnapshot { component: component(), action: "a".into() },
        N::LocalSetAside { target: place() },
        N::PartlyUndone { of: run(), left: 3 },
        N::MixedBuilds { builds: vec!["5.80.0.1297".parse().unwrap()] },
        N::Advisory { id: "p3-15".into(), severity: Severity::Critical, text: Text::en("w") },
        N::WeakFileSystem { folder: path(), kind: "vfat".into() },
        N::Chosen {
            target: place(),
            component: component(),
            instead_of: vec![component()],
            preferred: false,
        },
        N::UnknownLeftover { folder: path(), run: run() },
        N::NotDressed { folder: place(), what: "its owner".into() },
        N::MetadataDiffers { target: place(), what: "its owner".into() },
        N::RightsChanged { target: place(), what: "its owner was changed".into() },
        N::DriftKept { target: place(), kept: Some(path()) },
        N::DriftKept { target: place(), kept: None },
        N::RewrittenBeforeReboot { target: place(), kept: path() },
        N::ProbeFailed { probe: "p".into() },
        N::EndedProcess { image: "i".into(), pid: 7 },
        N::CommandsNotHeldAtBoot,
        N::FolderStays { folder: place(), holds: place() },
        N::RightsStay { first: place(), what: "w".into(), files: 2 },
        N::NothingKept { places: vec![place()] },
        N::KeptWithout { first: place(), what: "w".into(), files: 2 },
        N::NotSettledAtBoot,
        N::KeptInSpite { why: "w".into() },
        N::OlderStays { places: vec![path()] },
        N::CameSince { places: vec![path()] },
        N::CameUnknown { places: vec![path()], why: "w".into() },
        N::CameNotWritten { why: "w".into() },
        N::Parted { first: path(), files: 1 },
        N::Unlocked { first: path(), names: 1 },
        N::AboveMade { first: path(), folders: 1 },
        N::NotLookedAt { places: vec![path()] },
        N::WatchedWide { folder: path() },
        N::DataIncluded { first: path(), of: "PostgreSQL".into(), count: 2 },
        N::OpenIncluded { first: path(), holders: vec![("i".into(), 7)], count: 2 },
        N::WritersUnseen { processes: 2 },
        N::PackagedIncluded { packages: vec!["p".into()], files: 2, check: vec!["dpkg -V p".into()] },
        N::PackageManagerRuns { name: "apt".into(), back: "`apt-get`".into() },
        N::PackagesUnread { why: "w".into() },
        N::InstallerLeft { processes: vec![("i".into(), 7)] },
        N::LearnedWithout { file: path(), names: vec![path(); 9] },
        N::LearnedNoBackups { file: path(), files: 2 },
        N::LearnedNoData { file: path(), names: vec![path()] },
        N::NotLearned { file: path(), why: NotLearned::NotGood },
        N::NotLearned { file: path(), why: NotLearned::Nothing },
        N::NotLearned { file: path(), why: NotLearned::Failed { why: "w".into() } },
    ]
}

/// The variants of an enum as its source has them: these enums are non-exhaustive, so the compiler cannot count them
/// from here.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let head = format!("pub enum {name} {{\n");
    let body = source.split(&head).nth(1).unwrap().split("\n}").next().unwrap();
    let lines = body.lines().filter_map(|l| l.strip_prefix("    "));
    let names = lines.filter(|l| l.starts_with(char::is_uppercase));
    names.map(|l| l.chars().take_while(char::is_ascii_alphanumeric).collect()).collect()
}

/// Fails unless the samples hold every variant.
#[track_caller]
fn complete<T: std::fmt::Debug>(source: &str, name: &str, samples: &[T]) {
    let word = |s: &T| format!("{s:?}").chars().take_while(char::is_ascii_alphanumeric).collect();
    assert_eq!(variants(source, name), samples.iter().map(word).collect::<BTreeSet<String>>());
}

const REFUSAL: &str = include_str!("../../../engine/src/refusal.rs");
const FAILURE: &str = include_str!("../../../engine/src/failure.rs");
const FACES: &str = include_str!("../../../engine/src/faces.rs");
const NOTICE: &str = include_str!("../../../protocol/src/notice.rs");

#[test]
fn no_variant_is_forgotten() {
    complete(REFUSAL, "Refusal", &refusals());
    complete(FAILURE, "Failure", &failures());
    complete(FAILURE, "Stuck", &stucks());
    complete(FACES, "HostError", &host_errors());
    complete(NOTICE, "Notice", &notices());
}

#[test]
fn every_error_and_warning_has_its_own_code_and_says_what_and_what_next() {
    let mut codes = BTreeMap::new();
    let mut take = |said: Said, from: std::ops::Range<u16>, what: String| {
        assert!(from.contains(&said.code) && said.code % 100 < 97, "{what}: {}", said.code);
        assert!(!said.message.trim().is_empty() && !said.help.trim().is_empty(), "{what}");
        assert!(!said.message.contains("  ") || said.message.contains('\n'), "{what}: {}", said.message);
        let before = codes.insert(said.code, what.clone());
        assert_eq!(before, None, "BKO-{} is also {what}", said.code);
    };
    for one in refusals() {
        // The refusals whose exit code and class are those of an open run.
        let open = matches!(one, Refusal::Unfinished { .. } | Refusal::RebootPending { .. });
        let said = refusal::said(&one);
        let from = match said.code {
            5200.. => 5200..5230,
            5100.. => 5100..5200,
            _ if open => 3001..3004,
            _ => 1001..2000,
        };
        take(said, from, format!("{one:?}"));
    }
    for one in failures() {
        let said = failure::said(&one);
        // A guard that waits to be confirmed is no failure of its own.
        let confirm = matches!(one, Failure::NotConfirmed { .. } | Failure::AwaitsConfirm { .. });
        take(said, if confirm { 5180..5200 } else { 2001..3000 }, format!("{one:?}"));
    }
    for one in stucks() {
        let guard = matches!(one, Stuck::WayBack { .. } | Stuck::WayBackFailed { .. });
        let from = if guard { 5100..5140 } else { 3010..4000 };
        take(stuck::said(None, &one), from, format!("{one:?}"));
    }
    let mut warned = BTreeSet::new();
    for one in notices() {
        let warning = notice::warning(&one);
        let ours = ["BKO-40", "BKO-51", "BKO-52"].iter().any(|begin| warning.code.starts_with(begin));
        assert!(ours && warning.code != "BKO-4099", "{one:?}");
        assert!(!warning.message.trim().is_empty() && warned.insert(warning.code), "{one:?}");
    }
}

#[test]
fn every_error_says_what_state_the_machine_is_in() {
    let states = ["touched", "no service was stopped", "what was staged is removed", "nothing new is begun"];
    for one in refusals() {
        let said = refusal::said(&one);
        assert_eq!(states.iter().filter(|s| said.message.contains(**s)).count(), 1, "{}", said.message);
    }
    for one in failures() {
        let said = failure::put_back(&one);
        assert!(said.message.ends_with("files and services are as they were"), "{}", said.message);
        assert!(failure::unfinished(&one).help.contains("`backout recover`"), "{one:?}");
    }
}

#[test]
fn a_volume_that_is_not_mounted_is_to_be_mounted_first() {
    let said = failure::unfinished(&Failure::NotMounted { folder: path() });
    assert!(said.help.contains("mount it"), "{}", said.help);
}

#[test]
fn who_holds_a_file_is_named() {
    let failed = failures().into_iter().find(|f| matches!(f, Failure::Swap { .. })).unwrap();
    let back = stucks().into_iter().find(|s| matches!(s, Stuck::Target { .. })).unwrap();
    for said in [failure::said(&failed), stuck::said(None, &back)] {
        assert!(said.message.contains("it is held by `i` (process 7)"), "{}", said.message);
    }
    let free = Failure::Swap { target: place(), error: disk(ErrorKind::Other), holders: Box::default() };
    assert!(!failure::said(&free).message.contains("held by"));
}

#[test]
fn what_the_system_said_of_a_command_is_not_lost() {
    for said in [
        refusal::said(&Refusal::Service(spawn())),
        failure::said(&Failure::Service(spawn())),
        stuck::said(None, &Stuck::Service(spawn())),
    ] {
        assert!(said.message.contains("no such interpreter"), "{}", said.message);
    }
}

#[test]
fn exit_codes_of_refusals_are_those_of_the_contract() {
    for one in refusals() {
        let wanted = match &one {
            Refusal::Locked { .. } => (11, Outcome::Refused),
            Refusal::PlanStale { .. } | Refusal::StagedDrift { .. } | Refusal::StagedStale { .. } => {
                (12, Outcome::Refused)
            }
            Refusal::NoRights { .. } => (13, Outcome::Refused),
            Refusal::Unfinished { .. } | Refusal::AwaitsConfirm { .. } => (21, Outcome::Unfinished),
            Refusal::RebootPending { .. } => (21, Outcome::RebootPending),
            Refusal::CommitPending { .. } => (21, Outcome::Staged),
            _ => (10, Outcome::Refused),
        };
        assert_eq!(exit_code::of_refusal(&one), wanted, "{one:?}");
    }
}
