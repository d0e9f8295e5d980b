//! One value of an INI file, set: every byte outside its line stays.

use super::text::Text;
use std::ops::Range;

const LF: u16 = 10;
const CR: u16 = 13;

/// The file's bytes with `key` of `section` set to `value`; `None`: there is no file yet. Sections and keys compare without
/// regard to case.
///
/// # Errors
/// The section or the key stands there twice, so that nobody can say which counts; or the bytes are no text, or one of the
/// three cannot stand in an INI file.
pub fn set(bytes: Option<&[u8]>, section: &str, key: &str, value: &str) -> Result<Vec<u8>, String> {
    check(section, key, value)?;
    let mut text = Text::read(bytes.unwrap_or_default())?;
    let lines = lines(&text.units);
    let eol = eol(&text.units);
    let line = |range: &Range<usize>| trimmed(&text.units[range.clone()]);
    let heads: Vec<usize> = (0..lines.len()).filter(|at| is_section(line(&lines[*at]))).collect();
    let mut ours = heads.iter().filter(|at| names_section(line(&lines[**at]), section));
    let found = match (ours.next(), ours.next()) {
        (Some(_), Some(_)) => return Err(format!("the section [{section}] stands there twice")),
        (found, _) => found.copied(),
    };
    let put = |text: &Text, what: &str| text.units_of(what);
    let Some(head) = found else {
        // At the end, behind a line that has one.
        let mut more = Vec::new();
        if text.units.last().is_some_and(|last| *last != LF && *last != CR) {
            more.extend_from_slice(&eol);
        }
        for what in [format!("[{section}]"), format!("{key}={value}")] {
            more.extend(put(&text, &what)?);
            more.extend_from_slice(&eol);
        }
        text.units.extend(more);
        return Ok(text.bytes());
    };
    let end = heads.iter().copied().find(|at| *at > head).unwrap_or(lines.len());
    let mut set = (head + 1..end).filter(|at| key_of(line(&lines[*at])).is_some_and(|k| is(k, key)));
    let (at, more, range) = match (set.next(), set.next()) {
        (Some(_), Some(_)) => return Err(format!("[{section}] has `{key}` twice")),
        (Some(one), None) => {
            let whole = lines[one].clone();
            let units = &text.units[whole.clone()];
            // What stands before the value, blanks and all, stays.
            let equals = units.iter().position(|u| *u == u16::from(b'=')).unwrap_or(units.len());
            let blanks = units[equals + 1..].iter().take_while(|u| is_blank(**u)).count();
            let from = whole.start + equals + 1 + blanks;
            (from, put(&text, value)?, from..whole.end)
        }
        (None, _) => {
            // Behind the last line of the section that says something.
            let last = (head..end).rfind(|at| !line(&lines[*at]).is_empty()).unwrap_or(head);
            let after = lines.get(last + 1).map_or(text.units.len(), |next| next.start);
            let mut more = Vec::new();
            if lines[last].end == text.units.len() {
                more.extend_from_slice(&eol);
            }
            more.extend(put(&text, &format!("{key}={value}"))?);
            more.extend_from_slice(&eol);
            (after, more, after..after)
        }
    };
    debug_assert_eq!(at, range.start);
    text.units.splice(range, more);
    Ok(text.bytes())
}

fn check(section: &str, key: &str, value: &str) -> Result<(), String> {
    let plain = |what: &str, not: &[char]| {
        !what.is_empty()
            && what.trim() == what
            && what.chars().all(|c| (' '..='~').contains(&c) && !not.contains(&c))
    };
    if !plain(section, &['[', ']']) {
        return Err(format!("`{section}` cannot be a section's name"));
    }
    if !plain(key, &['=', '[', ';', '#']) {
        return Err(format!("`{key}` cannot be a key's name"));
    }
    if value.trim() != value || value.chars().any(char::is_control) {
        return Err("the value begins or ends with a blank, or has a control character in it".to_owned());
    }
    Ok(())
}

/// Each line without its end.
fn lines(units: &[u16]) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    while start < units.len() {
        let len = units[start..].iter().position(|u| *u == LF || *u == CR);
        let end = len.map_or(units.len(), |len| start + len);
        lines.push(start..end);
        start = end + eol_at(units, end);
    }
    lines
}

/// How long the line end at `at` is.
fn eol_at(units: &[u16], at: usize) -> usize {
    match (units.get(at), units.get(at + 1)) {
        (Some(&CR), Some(&LF)) => 2,
        (Some(_), _) => 1,
        (None, _) => 0,
    }
}

/// The line end that the file uses first; in a file without one that of Windows.
fn eol(units: &[u16]) -> Vec<u16> {
    match units.iter().position(|u| *u == LF || *u == CR) {
        Some(at) => units[at..at + eol_at(units, at)].to_vec(),
        None => vec![CR, LF],
    }
}

fn is_blank(unit: u16) -> bool {
    unit == u16::from(b' ') || unit == u16::from(b'\t')
}

fn trimmed(line: &[u16]) -> &[u16] {
    let from = line.iter().position(|u| !is_blank(*u)).unwrap_or(line.len());
    let to = line.iter().rposition(|u| !is_blank(*u)).map_or(from, |at| at + 1);
    &line[from..to]
}

fn is(units: &[u16], name: &str) -> bool {
    let lower = |unit: u16| u8::try_from(unit).map_or(unit, |b| u16::from(b.to_ascii_lowercase()));
    units.iter().map(|u| lower(*u)).eq(name.bytes().map(|b| u16::from(b.to_ascii_lowercase())))
}

fn is_section(line: &[u16]) -> bool {
    line.first() == Some(&u16::from(b'['))
}

fn names_section(line: &[u16], section: &str) -> bool {
    let inner = line.strip_prefix(&[u16::from(b'[')]).unwrap_or(line);
    let close = inner.iter().position(|u| *u == u16::from(b']'));
    close.is_some_and(|close| is(trimmed(&inner[..close]), section))
}

/// The key of a line that sets one.
fn key_of(line: &[u16]) -> Option<&[u16]> {
    if matches!(line.first().and_then(|u| u8::try_from(*u).ok()), Some(b';' | b'#' | b'[')) {
        return None;
    }
    let equals = line.iter().position(|u| *u == u16::from(b'='))?;
    Some(trimmed(&line[..equals]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(before: &[u8], after: &[u8]) {
        let set = set(Some(before), "FixedComputerIP", "HostName", "192.0.2.7").unwrap();
        assert_eq!(String::from_utf8_lossy(&set), String::from_utf8_lossy(after));
        assert_eq!(set, after);
    }

    #[test]
    fn a_file_that_is_not_there_is_made() {
        let made = set(None, "FixedComputerIP", "HostName", "192.0.2.7").unwrap();
        assert_eq!(made, b"[FixedComputerIP]\r\nHostName=192.0.2.7\r\n");
    }

    #[test]
    fn only_the_value_of_its_line_changes() {
        becomes(
            b"; x\r\n[A]\r\nHostName=1\r\n[fixedcomputerip]\r\n  hostname = \t2 \r\nz=3\n",
            b"; x\r\n[A]\r\nHostName=1\r\n[fixedcomputerip]\r\n  hostname = \t192.0.2.7\r\nz=3\n",
        );
        becomes(b"[FixedComputerIP]\nHostName=", b"[FixedComputerIP]\nHostName=192.0.2.7");
        let same = b"[FixedComputerIP]\nHostName=192.0.2.7";
        becomes(same, same);
    }

    #[test]
    fn a_key_that_is_not_there_comes_behind_the_last_of_its_section() {
        becomes(
            b"[FixedComputerIP]\na=1\n\n[B]\nHostName=2\n",
            b"[FixedComputerIP]\na=1\nHostName=192.0.2.7\n\n[B]\nHostName=2\n",
        );
        becomes(b"[FixedComputerIP]", b"[FixedComputerIP]\r\nHostName=192.0.2.7\r\n");
        becomes(b"[FixedComputerIP]\n;HostName=1\n", b"[FixedComputerIP]\n;HostName=1\nHostName=192.0.2.7\n");
    }

    #[test]
    fn a_section_that_is_not_there_comes_last() {
        becomes(b"[A]\nb=1", b"[A]\nb=1\n[FixedComputerIP]\nHostName=192.0.2.7\n");
        becomes(b"", b"[FixedComputerIP]\r\nHostName=192.0.2.7\r\n");
    }

    #[test]
    fn every_encoding_is_kept() {
        // Shift-JIS: second bytes that are `[`, `]` and `\` elsewhere.
        let sjis = b"[\x83\x5b\x83\x5d]\r\n\x83\x5c=\x95\x5c\r\n";
        let after = [&sjis[..], b"[FixedComputerIP]\r\nHostName=192.0.2.7\r\n"].concat();
        becomes(sjis, &after);
        let utf8 = "\u{feff}[FixedComputerIP]\r\nHostName=表\r\n".as_bytes();
        becomes(utf8, "\u{feff}[FixedComputerIP]\r\nHostName=192.0.2.7\r\n".as_bytes());
        let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        let (before, after) = (
            "\u{feff}[一]\r\n[FixedComputerIP]\r\nHostName=表\r\n",
            "\u{feff}[一]\r\n[FixedComputerIP]\r\nHostName=192.0.2.7\r\n",
        );
        becomes(&little(before), &little(after));
        becomes(&big(before), &big(after));
        let wide = set(Some(&little("\u{feff}[A]\n")), "A", "b", "表").unwrap();
        assert_eq!(wide, little("\u{feff}[A]\nb=表\n"));
    }

    #[test]
    fn what_nobody_could_mean_is_refused() {
        let refused = |bytes: &[u8], section: &str, key: &str, value: &str| {
            set(Some(bytes), section, key, value).unwrap_err()
        };
        assert!(refused(b"[A]\n[a]\n", "A", "b", "c").contains("stands there twice"));
        assert!(refused(b"[A]\nb=1\nB=2\n", "A", "b", "c").contains("twice"));
        assert!(refused(b"\xff\xfea", "A", "b", "c").contains("half a character"));
        assert!(refused(b"a\0b", "A", "b", "c").contains("no text"));
        assert!(refused(b"", "A", "b", "表").contains("encoding"));
        for (section, key, value) in [
            ("", "b", "c"),
            ("A]", "b", "c"),
            ("A", "b=", "c"),
            ("A", "", "c"),
            ("A", "b", "c\nd"),
            ("A", "b", " c"),
        ] {
            refused(b"", section, key, value);
        }
    }
}
