//! What the plugin proposes for folders as they are found.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files and stop at the first surprise"
)]

use backout_cm_agent::CmAgent;
use backout_plugin::{
    protocol::{
        HostPath,
        message::{LeftReason, ListedFile, Proposed},
    },
    trial::Trial,
};
use std::{fs, path::Path};
use tempfile::TempDir;

const CONFIG: &str = r#"(
  home_backup: "home/is_backup/filegroup100", home: "home", tmi_backup: "tmi/Backup", tmi: "tmi",
  wait_exit: ["cm.exe", "mrf.exe"],
)"#;

fn touch(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, path.to_str().unwrap()).unwrap();
}

fn row(folder: &Path, name: &str, version: &str) -> ListedFile {
    ListedFile {
        name: name.to_owned(),
        aliases: Vec::new(),
        folder: HostPath(folder.to_owned()),
        patched: Some(version.parse().unwrap()),
        sha256: None,
        before: None,
        added: false,
        removed: false,
    }
}

#[test]
fn both_folders_go_back_and_a_listed_file_found_in_the_other_one_is_listed_all_the_same() {
    let dir = TempDir::new().unwrap();
    let (home, tmi) = (dir.path().join("SProtect"), dir.path().join("TMI"));
    for file in ["libEN_Product.dll", "IS_Backup/FileGroup100/libEN_Product.dll", "is_else/x"] {
        touch(&home.join(file));
    }
    for file in ["MRF.EXE", "backup/mrf.exe", "backup/libEN_Product.dll", "backup/sub/extra.ini"] {
        touch(&tmi.join(file));
    }
    let trial = Trial::new(CONFIG).folded().folder("home", &home).folder("tmi", &tmi);
    let trial = trial.listed(row(&home, "libEN_Product.dll", "5.80.0.1297"));
    let trial =
        trial.listed(row(&tmi, "mrf.exe", "1.12.0.1156")).listed(row(&tmi, "MRF_CM.dll", "1.12.0.1156"));
    let proposal = trial.service("Agent").service("TMI").plan::<CmAgent>().unwrap();
    let restored: Vec<(String, Vec<String>)> = proposal
        .steps
        .iter()
        .filter_map(|s| match s {
            Proposed::RestoreFile { target, candidates, .. } => {
                let below = |p: String| p.replace(dir.path().to_str().unwrap(), "");
                let backups = candidates.iter().map(|c| below(c.place.to_string())).collect();
                Some((below(target.to_string()), backups))
            }
            _ => None,
        })
        .collect();
    let expected = [
        ("/SProtect/libEN_Product.dll", vec!["/SProtect/IS_Backup/FileGroup100/libEN_Product.dll"]),
        ("/TMI/MRF.EXE", vec!["/TMI/backup/mrf.exe"]),
        ("/TMI/MRF_CM.dll", vec![]),
        ("/TMI/libEN_Product.dll", vec!["/TMI/backup/libEN_Product.dll"]),
    ];
    let expected =
        expected.map(|(t, b)| (t.to_owned(), b.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    assert_eq!(restored, expected);
    assert_eq!(proposal.left_alone.len(), 1);
    assert_eq!(proposal.left_alone[0].reason, LeftReason::Unlisted);
    let wait = Proposed::WaitExit {
        images: vec!["cm.exe".to_owned(), "mrf.exe".to_owned()],
        under: vec![HostPath(tmi), HostPath(home)],
    };
    assert_eq!(proposal.steps[2], wait);
}
