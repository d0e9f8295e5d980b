//! The queue's form: pairs of texts in UTF-16, each ended by a NUL, and a NUL behind the last pair. The first of a pair
//! is what is moved. The second is its new name, with `!` before it where that may be taken, or empty: it is removed.

/// A move that the next boot makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delayed {
    /// What is moved: an absolute path.
    pub from: String,
    /// Its new name, on the same volume.
    pub to: String,
    /// What happens if that name is taken.
    pub taken: Taken,
}

/// What a delayed move does where its new name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Replaces what is there. Without this such a move fails, and nobody is told.
    Replace,
    /// Leaves both as they are.
    Leave,
}

/// Why a queue cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Its length is odd.
    #[error("its length is odd")]
    Odd,
    /// A text without an end.
    #[error("its last text has no end")]
    Endless,
    /// A name without what becomes of it.
    #[error("its last entry is half an entry")]
    Half,
}

/// One pair, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    from: Vec<u16>,
    to: Vec<u16>,
}

impl From<&Delayed> for Entry {
    fn from(delayed: &Delayed) -> Self {
        let mark = match delayed.taken {
            Taken::Replace => "!",
            Taken::Leave => "",
        };
        let to = format!("{mark}{}", native(&delayed.to));
        Self { from: native(&delayed.from).encode_utf16().collect(), to: to.encode_utf16().collect() }
    }
}

/// A path as the system's core has it.
fn native(path: &str) -> String {
    match path.strip_prefix(r"\\?\") {
        Some(rest) => format!(r"\??\{rest}"),
        None => match path.strip_prefix(r"\\") {
            Some(share) => format!(r"\??\UNC\{share}"),
            None => format!(r"\??\{path}"),
        },
    }
}

/// The entries of a value. What stands behind its end is not looked at, as the system does not.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Malformed::Odd);
    }
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    let mut left = &units[..];
    let mut entries = Vec::new();
    while let Some(first) = left.first() {
        if *first == 0 {
            break;
        }
        let from = text(&mut left).ok_or(Malformed::Endless)?;
        if left.is_empty() {
            return Err(Malformed::Half);
        }
        let to = text(&mut left).ok_or(Malformed::Endless)?;
        entries.push(Entry { from, to });
    }
    Ok(entries)
}

fn text(left: &mut &[u16]) -> Option<Vec<u16>> {
    let end = left.iter().position(|unit| *unit == 0)?;
    let text = left[..end].to_vec();
    *left = &left[end + 1..];
    Some(text)
}

/// The value of these entries.
pub(super) fn bytes(entries: &[Entry]) -> Vec<u8> {
    let texts = entries.iter().flat_map(|entry| [&entry.from, &entry.to]);
    let units = texts.flat_map(|text| text.iter().copied().chain([0])).chain([0]);
    units.flat_map(u16::to_le_bytes).collect()
}

/// The queue with `moves` at its end, once.
pub(super) fn add(queue: &[Entry], moves: &[Delayed]) -> Vec<Entry> {
    let mut all = remove(queue, moves);
    all.extend(moves.iter().map(Entry::from));
    all
}

/// The queue without `moves`.
pub(super) fn remove(queue: &[Entry], moves: &[Delayed]) -> Vec<Entry> {
    let ours: Vec<Entry> = moves.iter().map(Entry::from).collect();
    queue.iter().filter(|entry| !ours.contains(entry)).cloned().collect()
}

/// The first of `paths` that an entry moves, replaces or removes, or that lies below what one does.
pub(super) fn named<'a>(queue: &[Entry], paths: &'a [String]) -> Option<&'a String> {
    let folded = |text: &str| text.chars().flat_map(char::to_uppercase).collect::<String>();
    let name = |units: &[u16]| {
        let text = String::from_utf16_lossy(units);
        // The mark that a name may be taken, or that of the second queue: `*1`.
        let text = text.trim_start_matches(|c: char| c == '!' || c == '*' || c.is_ascii_digit());
        folded(text.trim_end_matches('\\'))
    };
    let names = queue.iter().flat_map(|entry| [name(&entry.from), name(&entry.to)]);
    let names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    paths.iter().find(|path| {
        let path = folded(&native(path));
        names
            .iter()
            .any(|name| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\')))
    })
}

/// How many of `moves` stand in the queue.
pub(super) fn count(queue: &[Entry], moves: &[Delayed]) -> super::Standing {
    let ours: Vec<Entry> = moves.iter().map(Entry::from).collect();
    let there: Vec<&Entry> = queue.iter().filter(|entry| ours.contains(entry)).collect();
    if there.is_empty() {
        super::Standing::None
    } else if there.into_iter().eq(ours.iter()) {
        super::Standing::All
    } else {
        super::Standing::Some
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delayed::Standing;

    /// A value as the system writes it: texts with their ends, as given.
    fn value(texts: &str) -> Vec<u8> {
        texts.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }
    #[test]
    fn a_path_that_somebody_moves_at_the_next_boot_is_found() {
        let text = "\\??\\C:\\Program Files\\Trend\\eng50.dll\0\0\
                    \\??\\C:\\Temp\\new.tmp\0!\\??\\C:\\Other\\App.exe\0*1\\??\\C:\\Old\0\0\0";
        let queue = parse(&value(text)).unwrap();
        let found = |path: &str| named(&queue, &[path.to_owned()]).is_some();
        for path in [
            r"C:\PROGRAM FILES\Trend\ENG50.dll",
            r"\\?\C:\Program Files\Trend\eng50.dll",
            r"c:\temp\new.tmp",
            r"C:\Other\app.EXE",
            r"C:\Old\deep\in\it.txt",
        ] {
            assert!(found(path), "{path}");
        }
        for path in
            [r"C:\Program Files\Trend\eng50.dll2", r"C:\Other", r"C:\Older\it.txt", r"D:\Temp\new.tmp"]
        {
            assert!(!found(path), "{path}");
        }
    }

    fn moved(from: &str, to: &str, taken: Taken) -> Delayed {
        Delayed { from: from.into(), to: to.into(), taken }
    }
    fn ours() -> Vec<Delayed> {
        vec![
            moved(r"C:\sp\a.dll", r"C:\sp\.backout-1\a.old", Taken::Leave),
            moved(r"\\?\C:\sp\.backout-1\a", r"\\?\C:\sp\a.dll", Taken::Replace),
            moved(r"\\srv\share\日本", r"\\?\UNC\srv\share\b", Taken::Leave),
        ]
    }
    const OTHERS: &str = "\\??\\C:\\x\0\0\\??\\C:\\y\0!\\??\\C:\\z\0";

    #[test]
    fn what_others_wrote_is_read_and_written_the_same() {
        for texts in ["", "\0", "\\??\\C:\\x\0\0\0", OTHERS, "\\??\\C:\\x\0\0\\??\\C:\\y\0\\??\\C:\\z\0\0"] {
            let entries = parse(&value(texts)).unwrap();
            let whole =
                format!("{}\0", texts.strip_suffix('\0').filter(|t| t.ends_with('\0')).unwrap_or(texts));
            let whole = if entries.is_empty() { "\0".to_owned() } else { whole };
            assert_eq!(bytes(&entries), value(&whole), "{texts:?}");
        }
        let mut lone = value(OTHERS);
        // Half a surrogate pair is a name too.
        lone[8..10].copy_from_slice(&0xd800u16.to_le_bytes());
        let entries = parse(&lone).unwrap();
        assert_eq!(bytes(&entries), [lone, vec![0, 0]].concat());
    }

    #[test]
    fn a_queue_that_cannot_be_understood_is_refused() {
        assert_eq!(parse(&[1]), Err(Malformed::Odd));
        assert_eq!(parse(&value("abc")), Err(Malformed::Endless));
        assert_eq!(parse(&value("abc\0")), Err(Malformed::Half));
        assert_eq!(parse(&value("abc\0def")), Err(Malformed::Endless));
    }

    #[test]
    fn ours_stand_behind_others_in_their_order_and_once() {
        let others = parse(&value(OTHERS)).unwrap();
        let added = add(&others, &ours());
        let text = concat!(
            "\\??\\C:\\x\0\0\\??\\C:\\y\0!\\??\\C:\\z\0",
            "\\??\\C:\\sp\\a.dll\0\\??\\C:\\sp\\.backout-1\\a.old\0",
            "\\??\\C:\\sp\\.backout-1\\a\0!\\??\\C:\\sp\\a.dll\0",
            "\\??\\UNC\\srv\\share\\日本\0\\??\\UNC\\srv\\share\\b\0\0",
        );
        assert_eq!(bytes(&added), value(text));
        assert_eq!(add(&added, &ours()), added);
        assert_eq!(parse(&bytes(&added)).unwrap(), added);
        assert_eq!(remove(&added, &ours()), others);
        assert_eq!(remove(&others, &ours()), others);
    }

    #[test]
    fn what_stands_there_is_counted() {
        let mut queue = add(&parse(&value(OTHERS)).unwrap(), &ours());
        assert_eq!(count(&queue, &ours()), Standing::All);
        let last = queue.pop().unwrap();
        assert_eq!(count(&queue, &ours()), Standing::Some);
        queue.insert(0, last);
        assert_eq!(count(&queue, &ours()), Standing::Some, "their order counts");
        assert_eq!(count(&parse(&value(OTHERS)).unwrap(), &ours()), Standing::None);
        assert_eq!(count(&[], &ours()), Standing::None);
    }
}
