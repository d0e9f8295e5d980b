//! Stuck: a person is needed.

use super::{
    Said,
    failure::{self, held},
    guard, whole,
};
use backout_disk::{Error, ErrorKind};
use backout_engine::{Failure, Stuck};
use backout_protocol::path::encode;

/// What is said of a run that is stuck; `after`: why it went back in the first place.
pub(crate) fn said(after: Option<&Failure>, why: &Stuck) -> Said {
    let mut said = plain(why);
    if let Some(after) = after {
        said.message = format!("{}; going back from that: {}", failure::said(after).message, said.message);
    }
    said
}

/// What to do where a folder on the way to a file of a run has become a symbolic link, which is never followed.
pub(super) fn way_to(error: &Error) -> Option<String> {
    let path = encode(error.path.as_os_str());
    (error.kind == ErrorKind::Symlink).then(|| {
        format!(
            "`{path}`, or a folder above it, has become a symbolic link, which is never followed: take the link away, move the \
             folder that was there back to its place, then run `backout recover`; it goes on and closes the run"
        )
    })
}

fn plain(why: &Stuck) -> Said {
    const AGAIN: &str = "mend that, then run `backout recover`; it tries again and closes the run";
    match why {
        Stuck::Service(e) => Said::new(3010, format!("{}; a service is not as it was before the run", whole(e)), AGAIN).at("service"),
        Stuck::Died { service } => Said::new(
            3018,
            format!("the service `{service}` does not stay up; every file is as it was before the run"),
            AGAIN,
        )
        .at("service"),
        Stuck::Process { why } => Said::new(3011, format!("{why}; files are not put back under something that runs"), AGAIN).at("quiesce"),
        Stuck::Target { target, error, holders } => {
            let link = way_to(error);
            let kept = if link.is_some() { "; what it was is kept beside it, and nothing is lost" } else { "" };
            let message = format!("`{target}` could not be put back: {error}{}{kept}; services are left stopped", held(holders));
            Said::new(3012, message, link.unwrap_or_else(|| AGAIN.to_owned())).at("unwind")
        }
        Stuck::Setting { setting, why } => Said::new(
            3021,
            format!(
                "`{setting}` could not be made what it was: {why}; every file is as it was before the run, services are left \
                 stopped"
            ),
            "mend that, then run `backout recover`, which makes it so once more; or `backout recover --abandon`",
        )
        .at("unwind"),
        Stuck::Action { component, action, why } => Said::new(
            3020,
            format!(
                "the action `{action}` of `{component}` could not be taken back: {why}; every file is as it was before \
                 the run, services are left stopped"
            ),
            "mend that, then run `backout recover`, which takes it back once more; or `backout recover --abandon`",
        )
        .at("unwind"),
        Stuck::BeforeImageLost { target } => Said::new(
            3013,
            format!("what `{target}` was before the run is nowhere to be found; services are left stopped"),
            "bring the file back from a backup of your own, then run `backout recover`; or `backout recover --abandon`",
        )
        .at("unwind"),
        Stuck::RecordLost { target, at } => Said::new(
            3014,
            format!("`{at}` holds what `{target}` was before, but no record says that it was swapped; nothing was changed"),
            "compare the two and decide; `backout recover --abandon` gives the run up and lists every file",
        )
        .at("recover"),
        Stuck::ArmedLost { what } => Said::new(
            3022,
            format!("{what}, but no record says that the run had begun to swap; nothing was changed"),
            "look whether the run or somebody else did that (an empty file that is gone may have been removed by its own service); \
             `backout recover --abandon` gives the run up and lists every file",
        )
        .at("recover"),
        Stuck::Journal { path, why } => Said::new(
            3015,
            format!("`{path}`: {why}; nothing was changed"),
            "look at `plan.ron` and `staged.ron` beside it; `backout recover --abandon` gives the run up and lists every file",
        )
        .at("recover"),
        Stuck::Companion { path, why } => Said::new(
            3016,
            format!("`{path}`: {why}; nothing was changed"),
            "bring it back if you can; `backout recover --abandon` gives the run up",
        )
        .at("recover"),
        Stuck::WayBack { .. } | Stuck::WayBackFailed { .. } => guard::stuck(why, AGAIN),
        Stuck::NotDurable { why } => Said::new(
            3017,
            format!("the state could not be made durable: {why}; services are left stopped"),
            "look at the disks, then run `backout recover`",
        )
        .at("journal"),
        _ => Said::new(3099, format!("{why:?}"), AGAIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_else_may_have_removed_an_empty_file_is_named() {
        let said = said(None, &Stuck::ArmedLost { what: "`f` is gone".into() });
        assert!(
            said.help.contains("an empty file") && said.help.contains("its own service"),
            "{}",
            said.help
        );
    }
}
