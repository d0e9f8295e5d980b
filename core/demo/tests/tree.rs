//! What a throw-away product looks like on the disk.

use backout_demo::{BakSpelling, Tree, TreeSpec, tree::Row};
use backout_protocol::MachineType;
use std::{fs, path::Path};

fn rows() -> Vec<Row> {
    let row =
        |list: &str, file: &str, version: &str| (list.to_owned(), file.to_owned(), version.parse().ok());
    vec![
        row("management-console", "Admin.exe", "5.80.0.1297"),
        row("management-console", "AgentClient.dll", "5.80.0.1297"),
        row("cm-agent", "libEN_Product.dll", "5.80.0.1297"),
        row("cm-agent", "mrf.exe", "1.12.0.1156"),
        row("information-server", "Earthagent.exe", "5.80.0.1297"),
        row("information-server", "Spuninst.exe", "5.80.0.1297"),
        row("information-server", "AgentClient.dll", "5.80.0.1297"),
        row("normal-server-x86", "SpntSvc.exe", "5.80.0.1297"),
        row("normal-server-x86", "spuninst.exe", "5.80.0.1297"),
        row("normal-server-x86", "AgentClient.dll", "5.80.0.1297"),
        row("normal-server-x64", "SpntSvc.exe", "5.80.0.1297"),
        row("normal-server-x64", "StUpadte_32.exe", "5.80.0.1297"),
        row("normal-server-hotfix", "Hotfix.ini", ""),
        row("patch", "Tmpatch.exe", "2.0.0.1022"),
    ]
}

fn listing(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder just made") {
            let path = entry.expect("its entries").path();
            match path.is_dir() {
                true => folders.push(path),
                false => names.push(path.strip_prefix(folder).expect("below it").display().to_string()),
            }
        }
    }
    names.sort();
    names
}

#[test]
fn files_and_backups_lie_where_the_product_puts_them() {
    let folder = tempfile::tempdir().unwrap();
    let tree = Tree::build(folder.path(), &TreeSpec::default(), &rows()).unwrap();
    let wanted = [
        "SProtect/Admin.exe",
        "SProtect/AgentClient.dll",
        "SProtect/AgentClient.dll.bak",
        "SProtect/Earthagent.exe",
        "SProtect/HotFix/Hotfix.ini",
        "SProtect/SpntSvc.exe",
        "SProtect/SpntSvc.exe.bak",
        "SProtect/is_backup/filegroup10/AgentClient.dll",
        "SProtect/is_backup/filegroup10/Earthagent.exe",
        "SProtect/is_backup/filegroup10/Spuninst.exe",
        "SProtect/is_backup/filegroup100/libEN_Product.dll",
        "SProtect/libEN_Product.dll",
        "SProtect/spuninst.exe",
        "SProtect/spuninst.exe.bak",
        "TMI/Backup/mrf.exe",
        "TMI/mrf.exe",
    ];
    assert_eq!(listing(folder.path()), wanted);
    assert_eq!(tree.files.len(), 10);
    for file in &tree.files {
        assert_eq!(fs::read(&file.live).unwrap(), file.patched, "{file:?}");
        assert_ne!(file.before, file.patched);
        match &file.backup {
            Some(backup) => assert_eq!(fs::read(backup).unwrap(), file.before, "{file:?}"),
            None => assert_eq!(file.list, "management-console"),
        }
    }
}

#[test]
fn two_backups_of_one_file_hold_the_same_unless_the_patch_was_pushed() {
    for pushed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let spec = TreeSpec { pushed, bak: BakSpelling::Stem, ..TreeSpec::default() };
        let tree = Tree::build(folder.path(), &spec, &rows()).unwrap();
        let in_bak = |name: &str| fs::read(tree.home.join(name)).unwrap();
        let in_group = fs::read(tree.home.join("is_backup/filegroup10/AgentClient.dll")).unwrap();
        assert_eq!(in_bak("AgentClient.bak") == in_group, !pushed);
        assert_eq!(in_bak("AgentClient.bak") == in_bak("AgentClient.dll"), pushed);
        assert_ne!(
            in_bak("SpntSvc.bak"),
            in_bak("SpntSvc.exe"),
            "not shared, so never pushed over its backup"
        );
    }
}

#[test]
fn a_normal_server_alone_has_the_list_of_its_machine_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (information_server, cm_agent, console) = (false, false, false);
    let machine = MachineType::X64;
    let spec = TreeSpec { machine, information_server, cm_agent, console, ..TreeSpec::default() };
    let tree = Tree::build(folder.path(), &spec, &rows()).unwrap();
    assert!(tree.files.iter().all(|f| f.list == "normal-server-x64"));
    assert!(tree.home.join("StUpadte_32.exe").exists());
    assert!(!tree.home.join("Earthagent.exe").exists() && !tree.tmi.exists());
}
