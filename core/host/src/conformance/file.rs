//! What can be told without running any of its code.

use super::{Subject, Verdict, failed};
use backout_protocol::abi::{API, OLDEST_API};

pub(super) fn manifest_section(_: &Subject) -> Verdict {
    // There would be nothing to check had it not been read.
    Ok(())
}

pub(super) fn api_version(subject: &Subject) -> Verdict {
    let (low, high) = subject.manifest.api;
    let said = format!("it speaks {}.{} to {}.{}", low.0, low.1, high.0, high.1);
    if low > high {
        return Err(failed(format!("{said}, which is none")));
    }
    if low > API || high < OLDEST_API {
        let oldest = OLDEST_API;
        let ours = format!("{}.{} to {}.{}", oldest.0, oldest.1, API.0, API.1);
        return Err(failed(format!("{said}, this tool speaks {ours}")));
    }
    Ok(())
}

pub(super) fn id_form(subject: &Subject) -> Verdict {
    let id = subject.manifest.id.as_str();
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let begins = id.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if begins && id.len() <= 64 && id.split('-').all(word) {
        return Ok(());
    }
    Err(failed(format!("the id is `{id}`")))
}

pub(super) fn about_sentence(subject: &Subject) -> Verdict {
    let about = subject.manifest.about.as_str();
    let one = !about.trim_end_matches('.').contains(". ") && !about.contains(['\n', '\r', '\t']);
    let begins = about.chars().next().is_some_and(|c| c.is_uppercase() || c.is_numeric());
    if one && begins && about.ends_with('.') && about.len() <= 200 {
        return Ok(());
    }
    Err(failed(format!("`about` is \"{about}\"")))
}
