//! The `HotFix` folder: what lies there may be deployed to normal servers again. That is our inference from the vendor's
//! page, so the note says "may".

use backout_plugin::{
    Ask, Entry, Kind, Machine,
    protocol::{
        HostPath,
        message::{Expect, Failure, LeftAlone, LeftReason, Proposal, Proposed},
        text::Text,
    },
};
use std::path::Path;

/// The switch that empties the folder.
const CLEAR: &str = "clear-hotfix";
/// How many names a note holds.
const SHOWN: usize = 20;

/// Adds a note on what `location` holds and, if the operator asked for it, the steps that empty it.
///
/// # Errors
/// The location names no folder, or it cannot be read.
pub(crate) fn plan<C>(
    ask: &Ask<C>,
    machine: &Machine,
    location: &str,
    to: &mut Proposal,
) -> Result<(), Failure> {
    let folder = ask.folder(location)?;
    // A location that is a variable's own folder has no other spelling.
    let folder = match ask.place(&folder.0) {
        Ok(place) => HostPath(place.root.0.join(machine.spelled(&place.root.0, &place.rel)?.as_path())),
        Err(_) => folder,
    };
    let held = machine.walk(&folder.0)?;
    if held.is_empty() {
        return Ok(());
    }
    let clear = ask.has_option(CLEAR);
    to.notes.push(note(&folder, &held, clear));
    if clear {
        // The Information Server may deploy whatever lies there: what is set aside must lie elsewhere.
        to.keep_clear.extend(ask.place(&folder.0).ok());
        empty(ask, &folder.0, &held, to)?;
    }
    Ok(())
}

/// Takes away every file, then every folder that is empty by then, innermost first; never the folder itself.
fn empty<C>(ask: &Ask<C>, folder: &Path, held: &[Entry], to: &mut Proposal) -> Result<(), Failure> {
    let place = |entry: &Entry| ask.place(&folder.join(entry.rel.as_path()));
    let (folders, files): (Vec<&Entry>, Vec<&Entry>) = held.iter().partition(|e| e.kind == Kind::Folder);
    let mut kept = Vec::new();
    for entry in files {
        match entry.kind {
            Kind::File => {
                to.steps.push(Proposed::RemoveFile { target: place(entry)?, expect: Expect::Anything })
            }
            Kind::Folder | Kind::Symlink | Kind::Other => {
                to.left_alone.push(LeftAlone { place: place(entry)?, reason: LeftReason::NotAFile });
                kept.push(entry.rel.as_path());
            }
        }
    }
    // A walk gives a folder before what is in it, so backwards is innermost first.
    for entry in folders.into_iter().rev() {
        if !kept.iter().any(|k| k.starts_with(entry.rel.as_path())) {
            to.steps.push(Proposed::RemoveFolder { target: place(entry)? });
        }
    }
    Ok(())
}

fn note(folder: &HostPath, held: &[Entry], clear: bool) -> Text {
    let files: Vec<String> =
        held.iter().filter(|e| e.kind != Kind::Folder).map(|e| e.rel.to_string()).collect();
    let names = if files.is_empty() { held.iter().map(|e| e.rel.to_string()).collect() } else { files };
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    let (more_en, more_ja) = match more {
        0 => (String::new(), String::new()),
        more => (format!(" and {more} more"), format!(" ほか {more} 件")),
    };
    let (then_en, then_ja) = if clear {
        (
            "It is set aside and taken away by this run; `undo` brings it back.",
            "今回の実行で取り除かれ、`undo` で元に戻せます。",
        )
    } else {
        (
            "It stays; `--clear-hotfix` sets it aside and takes it away, reversibly.",
            "そのまま残ります。`--clear-hotfix` を付けると、元に戻せる形で取り除きます。",
        )
    };
    Text {
        en: format!(
            "`{folder}` holds {shown}{more_en}. The Information Server may deploy this to its normal servers again when \
             the Agent starts (our inference, not the vendor's word). {then_en}"
        ),
        ja: Some(format!(
            "`{folder}` に {shown}{more_ja} があります。Agent の開始時に、一般サーバへ再び配信される可能性があります\
             (ベンダーの記述ではなく推測です)。{then_ja}"
        )),
    }
}
