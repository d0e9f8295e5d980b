//! Data of databases, by the names that they give their files. Copied while the database runs, such files are of many moments
//! and no database any more; put back, they lose whatever was written since.

use super::{
    Data, Leave,
    walk::{Listed, Named, Tree, glob},
};
use crate::refusal::Refusal;
use backout_disk::folder::{Kind, open_place};
use backout_protocol::{NameRule, Notice};
use std::{collections::BTreeSet, io::Read};

/// What a database's files look like.
struct Sign {
    of: &'static str,
    /// What is its data then.
    is: Scope,
    /// Of each of these, one name must be there; `*` at one end stands for anything.
    names: &'static [&'static [&'static str]],
}

enum Scope {
    /// The whole folder.
    Folder,
    /// Each such file.
    File,
}

const SIGNS: &[Sign] = &[
    // In the data folder and in that of each database.
    Sign { of: "PostgreSQL", is: Scope::Folder, names: &[&["PG_VERSION"]] },
    // The system's table space and logs; tables of their own; MyISAM's and Aria's.
    Sign {
        of: "MySQL or MariaDB",
        is: Scope::Folder,
        names: &[&["ibdata*", "ib_logfile*", "#innodb_redo", "aria_log_control", "*.ibd", "*.MYD"]],
    },
    Sign { of: "MongoDB", is: Scope::Folder, names: &[&["WiredTiger", "mongod.lock"]] },
    Sign { of: "Redis", is: Scope::Folder, names: &[&["appendonly.aof", "appendonlydir", "dump.rdb"]] },
    // What names the newest manifest, and a manifest.
    Sign { of: "LevelDB or RocksDB", is: Scope::Folder, names: &[&["CURRENT"], &["MANIFEST-*"]] },
    Sign { of: "LMDB, such as OpenLDAP's", is: Scope::Folder, names: &[&["data.mdb"], &["lock.mdb"]] },
    // The shared region of an open environment; its settings.
    Sign { of: "Berkeley DB, such as OpenLDAP's", is: Scope::Folder, names: &[&["__db.001", "DB_CONFIG"]] },
    Sign {
        of: "Lucene, such as Elasticsearch's",
        is: Scope::Folder,
        names: &[&["segments_*"], &["write.lock"]],
    },
    Sign { of: "Apache Derby", is: Scope::Folder, names: &[&["service.properties"], &["seg0"]] },
    Sign { of: "Oracle", is: Scope::Folder, names: &[&["control01.ctl", "redo01.log", "system01.dbf"]] },
    Sign { of: "CouchDB", is: Scope::File, names: &[&["*.couch"]] },
    Sign { of: "H2", is: Scope::File, names: &[&["*.mv.db"]] },
    // Data, further data, log.
    Sign { of: "SQL Server", is: Scope::File, names: &[&["*.mdf", "*.ndf", "*.ldf"]] },
    Sign { of: "the Extensible Storage Engine", is: Scope::File, names: &[&["*.edb"]] },
];

/// What SQLite has beside a database that is not at rest.
const SQLITE_BESIDE: [&str; 2] = ["-wal", "-journal"];
const SQLITE_HEAD: &[u8; 16] = b"SQLite format 3\0";
/// Access's files, each with its lock, which is there while somebody has it open.
const ACCESS: [(&str, &str); 2] = [(".mdb", ".ldb"), (".accdb", ".laccdb")];

pub(super) fn check(
    tree: &Tree,
    names: NameRule,
    leave: Leave,
    notices: &mut Vec<Notice>,
) -> Result<(), Refusal> {
    let found = found(tree, names);
    let Some(first) = found.first() else { return Ok(()) };
    if !leave.include_data {
        return Err(Refusal::DatabaseFiles { found });
    }
    let (path, of, count) = (first.path.clone(), first.of.to_owned(), found.len() as u64);
    notices.push(Notice::DataIncluded { first: path, of, count });
    Ok(())
}

fn found(tree: &Tree, names: NameRule) -> Vec<Data> {
    let mut found = Vec::new();
    let mut whole: Vec<&Listed> = Vec::new();
    for folder in &tree.folders {
        // What leaves the upper folder out leaves out this one too.
        if whole.iter().any(|upper| lies_in(folder, upper)) {
            continue;
        }
        match of_folder(folder, names) {
            Some(data) => {
                found.push(data);
                whole.push(folder);
            }
            None => found.extend(of_files(folder, names)),
        }
    }
    found
}

fn lies_in(folder: &Listed, upper: &Listed) -> bool {
    let below = |rel| folder.rel.as_ref().is_some_and(|own| own.as_path().starts_with(rel));
    folder.root == upper.root && upper.rel.as_ref().is_none_or(|rel| below(rel.as_path()))
}

/// The folder as a whole.
fn of_folder(folder: &Listed, names: NameRule) -> Option<Data> {
    let signs = SIGNS.iter().filter(|sign| matches!(sign.is, Scope::Folder));
    signs.into_iter().find_map(|sign| {
        let marks: Option<Vec<&Named>> = sign.names.iter().map(|any| first(folder, any, names)).collect();
        let mark = *marks?.first()?;
        let glob = folder.rel.as_ref().map(glob);
        Some(Data { path: folder.path(&mark.name), of: sign.of, glob })
    })
}

/// Single files of it.
fn of_files(folder: &Listed, names: NameRule) -> Vec<Data> {
    let all: BTreeSet<String> = folder.names.iter().map(|n| folded(&n.text, names)).collect();
    let files = folder.names.iter().filter(|n| n.kind == Kind::File);
    let data = |n: &Named, of, tail| {
        let glob = glob(&folder.below(&n.name)) + tail;
        Data { path: folder.path(&n.name), of, glob: Some(glob) }
    };
    files
        .filter_map(|n| {
            let text = folded(&n.text, names);
            if SQLITE_BESIDE.iter().any(|tail| all.contains(&(text.clone() + tail))) && is_sqlite(folder, n) {
                return Some(data(n, "SQLite", "*"));
            }
            let locked = |(own, lock): &(&str, &str)| {
                text.strip_suffix(own).is_some_and(|stem| all.contains(&(stem.to_owned() + lock)))
            };
            if ACCESS.iter().any(locked) {
                return Some(data(n, "Access", ""));
            }
            let of =
                |sign: &&Sign| sign.names.iter().flat_map(|any| any.iter()).any(|p| fits(p, &text, names));
            let sign = SIGNS.iter().filter(|sign| matches!(sign.is, Scope::File)).find(of)?;
            Some(data(n, sign.of, ""))
        })
        .collect()
}

/// By its head. One that is empty has all it holds in the file beside it; one that cannot be read is taken for one.
fn is_sqlite(folder: &Listed, n: &Named) -> bool {
    let Ok(file) = open_place(&folder.place(&n.name)) else { return true };
    let mut head = Vec::new();
    match file.take(SQLITE_HEAD.len() as u64).read_to_end(&mut head) {
        Ok(_) => head.is_empty() || head == SQLITE_HEAD,
        Err(_) => true,
    }
}

fn first<'a>(folder: &'a Listed, any: &[&str], names: NameRule) -> Option<&'a Named> {
    let mut real = folder.names.iter().filter(|n| matches!(n.kind, Kind::File | Kind::Folder));
    real.find(|n| any.iter().any(|pattern| fits(pattern, &folded(&n.text, names), names)))
}

fn folded(name: &str, names: NameRule) -> String {
    if names == NameRule::Folded { name.to_lowercase() } else { name.to_owned() }
}

/// `name` is folded already.
fn fits(pattern: &str, name: &str, names: NameRule) -> bool {
    let pattern = folded(pattern, names);
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(tail), _) => name.len() > tail.len() && name.ends_with(tail),
        (None, Some(head)) => name.starts_with(head),
        (None, None) => name == pattern,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes the trees that are looked at")]
mod tests {
    use super::*;
    use backout_protocol::HostPath;
    use std::fs;

    /// What is found in a tree of these files: database and glob of each. A name with `/` at its end is a folder.
    fn found_in(
        files: &[(&str, &[u8])],
        exclude: &[&str],
        names: NameRule,
    ) -> Vec<(&'static str, Option<String>)> {
        let dir = tempfile::tempdir().unwrap();
        let root = HostPath(dir.path().canonicalize().unwrap());
        for (name, bytes) in files {
            let path = root.0.join(name);
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
        let exclude: Vec<String> = exclude.iter().map(|g| (*g).to_owned()).collect();
        let tree = Tree::of(&[root], names, &exclude).unwrap();
        found(&tree, names).into_iter().map(|d| (d.of, d.glob)).collect()
    }

    #[track_caller]
    fn is(files: &[&str], of: &str, glob: &str) {
        let files: Vec<(&str, &[u8])> = files.iter().map(|f| (*f, &b"x"[..])).collect();
        let found = found_in(&files, &[], NameRule::Exact);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.starts_with(of) && found[0].1.as_deref() == Some(glob), "{found:?}");
        // The very glob that is told leaves it out.
        let left = found_in(&files, &[glob], NameRule::Exact);
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn each_database_is_known_by_its_files_and_its_glob_leaves_it_out() {
        is(&["a", "pg/15/PG_VERSION", "pg/15/base/1/PG_VERSION"], "PostgreSQL", "pg/15");
        is(&["db/ibdata1", "db/shop/orders.ibd"], "MySQL", "db");
        is(&["x/shop/orders.ibd"], "MySQL", "x/shop");
        is(&["db/#innodb_redo/"], "MySQL", "db");
        is(&["m/WiredTiger", "m/journal/x"], "MongoDB", "m");
        is(&["r/appendonlydir/"], "Redis", "r");
        is(&["r/dump.rdb"], "Redis", "r");
        is(&["l/CURRENT", "l/MANIFEST-000004"], "LevelDB", "l");
        is(&["o/data.mdb", "o/lock.mdb"], "LMDB", "o");
        is(&["b/__db.001"], "Berkeley", "b");
        is(&["e/0/index/segments_2", "e/0/index/write.lock"], "Lucene", "e/0/index");
        is(&["s/master.mdf"], "SQL Server", "s/master.mdf");
        is(&["s/a.mdb", "s/a.ldb"], "Access", "s/a.mdb");
        is(&["h/a [1].mv.db"], "H2", "h/a [[]1[]].mv.db");
    }

    #[test]
    fn what_leaves_out_one_database_leaves_out_no_other_beside_it() {
        let two = found_in(
            &[("pg/base/PG_VERSION", b"15"), ("pg/PG_VERSION", b"15"), ("r/dump.rdb", b"x")],
            &[],
            NameRule::Exact,
        );
        assert_eq!(two.iter().map(|(_, glob)| glob.as_deref().unwrap()).collect::<Vec<_>>(), ["pg", "r"]);
    }

    #[test]
    fn names_that_only_look_alike_are_none() {
        let none = ["CURRENT", "x/MANIFEST-1", "data.mdb", "a.mdb", ".mdf", "pg_version", "segments_1"];
        let none: Vec<(&str, &[u8])> = none.iter().map(|f| (*f, &b"x"[..])).collect();
        assert!(found_in(&none, &[], NameRule::Exact).is_empty());
        assert_eq!(found_in(&[("d/pg_version", b"")], &[], NameRule::Folded).len(), 1);
    }

    #[test]
    fn sqlite_is_told_by_its_head_and_by_what_lies_beside_it() {
        let of = |files: &[(&str, &[u8])]| found_in(files, &[], NameRule::Exact);
        let head: &[u8] = b"SQLite format 3\0rest";
        let wal = [("v/a.db", head), ("v/a.db-wal", b"w")];
        assert_eq!(of(&wal), [("SQLite", Some("v/a.db*".to_owned()))]);
        assert!(found_in(&wal, &["v/a.db*"], NameRule::Exact).is_empty());
        assert_eq!(of(&[("Cookies", head), ("Cookies-journal", b"")]).len(), 1);
        assert_eq!(of(&[("new.sqlite", b""), ("new.sqlite-wal", b"w")]).len(), 1);
        assert!(of(&[("a.db", head)]).is_empty(), "at rest");
        assert!(of(&[("a", b"text"), ("a-journal", b"")]).is_empty());
    }

    #[test]
    fn data_in_the_root_itself_has_no_glob() {
        assert_eq!(found_in(&[("PG_VERSION", b"15")], &[], NameRule::Exact), [("PostgreSQL", None)]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        fs::create_dir_all(at.join("root")).unwrap();
        fs::create_dir_all(at.join("pg")).unwrap();
        fs::write(at.join("pg/PG_VERSION"), "15").unwrap();
        std::os::unix::fs::symlink(at.join("pg"), at.join("root/pg")).unwrap();
        let tree = Tree::of(&[HostPath(at.join("root"))], NameRule::Exact, &[]).unwrap();
        assert!(found(&tree, NameRule::Exact).is_empty());
    }
}
