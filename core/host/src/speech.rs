//! Which messages a plugin and this tool both speak. The highest of them is spoken, and in it nothing is asked that came
//! later.

use backout_protocol::{
    abi::{API, OLDEST_API},
    message::Request,
};

/// A version of the messages: (major, minor).
pub(crate) type Spoken = (u16, u16);

/// Custom actions, schemas, examples, and machines in a file came with it.
const ACTIONS: Spoken = (1, 1);

/// The highest that both speak; `None`: there is none.
pub(crate) fn spoken((low, high): (Spoken, Spoken)) -> Option<Spoken> {
    let both = high.min(API);
    (low <= both && both >= OLDEST_API).then_some(both)
}

/// Why there is none, behind what the plugin speaks.
pub(crate) fn unspoken((low, high): (Spoken, Spoken)) -> String {
    let ours = range((OLDEST_API, API));
    match (low > high, low > API) {
        (true, _) => "which is no range: its author must mend that".to_owned(),
        (_, true) => format!("this tool {ours}: a newer backout is needed"),
        (_, false) => {
            format!("this tool {ours}: it must be built anew, with the header or crate of this version")
        }
    }
}

/// `1.0 to 1.1`.
pub(crate) fn range((low, high): (Spoken, Spoken)) -> String {
    format!("{} to {}", dotted(low), dotted(high))
}

/// `1.0`.
pub(crate) fn dotted((major, minor): Spoken) -> String {
    format!("{major}.{minor}")
}

/// A request in words of this version; the error is what it came with.
pub(crate) fn written(request: &Request, spoken: Spoken) -> Result<serde_json::Result<Vec<u8>>, Spoken> {
    if spoken >= ACTIONS {
        return Ok(serde_json::to_vec(request));
    }
    match request {
        Request::Describe => {}
        Request::Plan(plan) if plan.machine.is_none() && !plan.record => {}
        _ => return Err(ACTIONS),
    }
    Ok(serde_json::to_value(request).and_then(|mut value| {
        if let Some(plan) = value.get_mut("plan").and_then(serde_json::Value::as_object_mut) {
            for later in ["facts", "machine", "record"] {
                plan.remove(later);
            }
        }
        serde_json::to_vec(&value)
    }))
}

/// What a request asks for.
pub(crate) fn question(request: &Request) -> &'static str {
    match request {
        Request::Describe => "the question who it is",
        Request::Plan(plan) if plan.record => "the question what it asks of the machine",
        Request::Plan(plan) if plan.machine.is_some() => "a machine in a file",
        Request::Plan(_) => "the question for a plan",
        Request::Schema => "the question for its configuration's schema",
        Request::Examples => "the question for its examples",
        Request::Prepare(_) | Request::Apply(_) | Request::Undo(_) | Request::State(_) => "custom actions",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_that_both_speak_is_spoken() {
        let (oldest, ours) = (OLDEST_API, API);
        let next = (ours.0, ours.1 + 1);
        for (api, both) in [
            ((ours, ours), Some(ours)),
            ((oldest, oldest), Some(oldest)),
            ((oldest, next), Some(ours)),
            ((oldest, (9, 0)), Some(ours)),
            ((next, next), None),
            (((9, 0), (9, 1)), None),
            (((0, 1), (0, 9)), None),
            (((0, 1), oldest), Some(oldest)),
            ((ours, oldest), None),
        ] {
            assert_eq!(spoken(api), both, "{api:?}");
        }
        assert!(unspoken(((9, 0), (9, 1))).contains("a newer backout is needed"));
        assert!(unspoken(((0, 1), (0, 9))).contains("built anew"));
    }
}
