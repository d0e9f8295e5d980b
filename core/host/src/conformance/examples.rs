//! Examples are documentation, and documentation is true.

use super::{Subject, Verdict, failed, subject::OLD, warned};
use backout_protocol::message::{Answer, Expected};

pub(super) fn there(subject: &Subject) -> Verdict {
    if !subject.knows_examples() {
        return Err(warned(OLD));
    }
    let examples = subject.examples()?;
    if examples.is_empty() {
        return Err(warned("it has no example, so most checks are asked of a configuration that it refuses"));
    }
    if !examples.iter().any(|e| matches!(e.expect, Expected::Proposal(_))) {
        return Err(warned("each of its examples is one of a failure"));
    }
    Ok(())
}

pub(super) fn true_to_their_word(subject: &Subject) -> Verdict {
    for example in subject.some_examples()? {
        let answer = subject.ask(&subject.request(example))?;
        let seen = match (&example.expect, answer) {
            (Expected::Proposal(wanted), Answer::Proposal(planned)) if *wanted == planned => continue,
            (Expected::Failure(words), Answer::Failed(failure)) if failure.message.contains(words) => {
                continue;
            }
            (Expected::Proposal(_), Answer::Proposal(planned)) => {
                let planned = serde_json::to_string(&planned).unwrap_or_default();
                format!("it plans something else: {planned}")
            }
            (_, Answer::Failed(failure)) => format!("it fails: {}", failure.message),
            (Expected::Failure(_), _) => "it does not fail".to_owned(),
            (Expected::Proposal(_), _) => "its answer is no plan".to_owned(),
        };
        return Err(failed(format!("example \"{}\": {seen}", example.about)));
    }
    Ok(())
}
