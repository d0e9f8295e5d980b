//! Warnings.

use super::{code, doctor::stays, lines, names, text};
use backout_protocol::{Notice, path::encode, report::Warning};

/// A notice as a program and a person read it.
pub(crate) fn warning(notice: &Notice) -> Warning {
    let (number, message) = said(notice);
    Warning { code: code(number), message }
}

fn said(notice: &Notice) -> (u16, String) {
    match notice {
        Notice::FoundStopped { service, start } => {
            (4001, format!("the service `{service}` was found stopped and stays stopped; to start it: `{start}`"))
        }
        Notice::StaysPatched { component, files, why } => {
            (4002, format!("{component} stays patched ({}): {}", names(files), text(why)))
        }
        Notice::LeftOut { target, why } => (4050, format!("`{target}` stays as it is: {}", stays(why))),
        Notice::ActionLeftOut { component, action } => (
            4053,
            format!("the action `{action}` of `{component}` is left out: files of that component stay as they are"),
        ),
        Notice::ActionNotInSnapshot { component, action } => (
            4054,
            format!("the action `{action}` of `{component}` is not part of a snapshot: it is neither done nor taken back"),
        ),
        Notice::SettingsNotOfComponent { settings } => (
            4055,
            format!(
                "{settings} keys of the registry, or services' configurations, are not as the snapshot has them and stay: with some components alone only files go back"
            ),
        ),
        Notice::ConfigurationStays { service, what } => (
            4056,
            format!("how the service `{service}` is configured stays: {}", what.join("; ")),
        ),
        Notice::KeyStays { key, why } => (4058, format!("`{key}` stays as the installer left it: {why}")),
        Notice::SettingDriftKept { names: kept } => (
            4057,
            format!("neither as before nor as the run made it, so it stays as it is: {}", names(kept)),
        ),
        Notice::LocalSetAside { target } => (
            4051,
            format!("`{target}` was edited since the patch and goes back, as you said; what it held is kept for `undo`"),
        ),
        Notice::PartlyUndone { of, left } => (
            4052,
            format!(
                "only a part of the run {of} is taken back and {left} of its changes stay: the product is in a mixed state; `backout undo {of}` takes back the rest"
            ),
        ),
        Notice::MixedBuilds { builds } => (4003, format!("the builds that will be reached differ: {}", names(builds))),
        Notice::Advisory { id, severity, text: words } => {
            (4004, format!("given up ({severity:?}, {id}): {}", text(words)).to_owned())
        }
        Notice::WeakFileSystem { folder, kind } => (
            4005,
            format!("`{folder}` is on {kind}, which does not promise that a rename survives a power cut; a crash of backout is covered, a power cut is not"),
        ),
        Notice::Chosen { target, component, instead_of, preferred } => {
            let others = names(instead_of);
            let why = if *preferred {
                format!("as you said, not that of {others}")
            } else {
                format!("that of {others} is not good")
            };
            (4006, format!("`{target}` is shared: the backup of {component} is taken, {why}"))
        }
        Notice::UnknownLeftover { folder, run } => {
            (4007, format!("`{folder}` was left by the run {run}, which its state folder does not know; it is not touched"))
        }
        Notice::MetadataDiffers { target, what } => (4008, format!("`{target}`: {what} could not be carried over")),
        Notice::NotDressed { folder, what } => (
            4059,
            format!(
                "`{folder}` was not given the owner, rights and attributes that it had before: {what} could not be kept, so \
                 they could not have been put back; it stays as it is, and what is in it is done"
            ),
        ),
        Notice::RightsChanged { target, what } => {
            (4014, format!("`{target}`: {what} since the run; it will be as it was before that"))
        }
        Notice::DriftKept { target, kept: Some(kept) } => (
            4009,
            format!("`{target}` was rewritten meanwhile (drift); what was before is back, and what was found is kept as `{}`", encode(kept.0.as_os_str())),
        ),
        Notice::DriftKept { target, kept: None } => {
            (4010, format!("`{target}` was changed by somebody else meanwhile (drift) and stays as it is"))
        }
        Notice::RewrittenBeforeReboot { target, kept } => (
            4016,
            format!(
                "`{target}` was rewritten between the run and the reboot that replaced it; what it held then is kept as `{}`",
                encode(kept.0.as_os_str())
            ),
        ),
        Notice::ProbeFailed { probe } => (4011, format!("the health probe `{probe}` is not content on the old files either")),
        Notice::EndedProcess { image, pid } => (4012, format!("the process `{image}` ({pid}) was ended, as you said")),
        Notice::CommandsNotHeldAtBoot => (
            4013,
            "services reached by commands cannot be held back at boot: after a power cut they may start before `backout recover` has run".into(),
        ),
        Notice::NotSettledAtBoot => (
            4033,
            "nothing settles an unfinished run at boot: after a power cut the services stay down until `backout recover` has run; `backout boot install` mends that".into(),
        ),
        Notice::LeftRestarting { service } => (
            4034,
            format!("the service `{service}` fell over and was started again and again before the run; it was told to start again, and whether it stays up was not waited for"),
        ),
        Notice::NothingKept { places } => (
            4040,
            format!("sockets, pipes and devices are named in the snapshot, and nothing of them is kept:{}", lines(places)),
        ),
        Notice::KeptWithout { first, what, files } => (
            4041,
            format!(
                "{files} copies could not be given all that their originals have; the first: {what} of `{first}`. The inventory says how it was; run backout as root to keep it whole"
            ),
        ),
        Notice::FolderStays { folder, holds } => (
            4043,
            format!("`{folder}` is not in the snapshot and stays: it holds `{holds}`, which is left alone"),
        ),
        Notice::RightsStay { first, what, files } => (
            4044,
            format!(
                "{files} files or folders have other rights, times or attributes than the snapshot says, which its copies do not have either, and stay as they are; the first: `{first}`, {what}"
            ),
        ),
        Notice::KeptInSpite { why } => (5120, format!("the installer's work stays although it is not good: {why}")),
        Notice::InstallerLeft { processes } => (
            5121,
            format!("these processes of the installer go on: {}", super::failure::processes(processes)),
        ),
        Notice::LearnedWithout { .. }
        | Notice::LearnedNoBackups { .. }
        | Notice::LearnedNoData { .. }
        | Notice::NotLearned { .. } => super::guard::learn::warned(notice),
        Notice::OlderStays { .. }
        | Notice::CameSince { .. }
        | Notice::CameUnknown { .. }
        | Notice::CameNotWritten { .. }
        | Notice::Parted { .. }
        | Notice::Unlocked { .. }
        | Notice::AboveMade { .. }
        | Notice::NotLookedAt { .. }
        | Notice::WatchedWide { .. } => super::guard::watched(notice),
        other => super::delicate::noticed(other).unwrap_or_else(|| (4099, format!("{other:?}"))),
    }
}
