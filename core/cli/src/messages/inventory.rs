//! Words about the products of this machine.

use super::{code, plan::counted, refusal, text};
use backout_engine::{
    Refusal,
    inventory::{Part, Product, Way},
};

/// Everything that was found. `call`: the command that does this verb with that, as it is typed here.
pub(crate) fn all(
    products: &[Product],
    unclear: &[(String, Refusal)],
    call: &dyn Fn(&str, &str) -> String,
) -> String {
    let mut lines: Vec<String> = products.iter().flat_map(|one| product(one, call)).collect();
    if products.is_empty() {
        lines.push(
            "no product of a known profile was found; `--set` and `--site` say where one is".to_owned(),
        );
    }
    for (profile, why) in unclear {
        lines.push(format!("{profile}: it cannot be told whether it is here: {}", refusal::why(why).message));
    }
    lines.join("\n")
}

fn product(product: &Product, call: &dyn Fn(&str, &str) -> String) -> Vec<String> {
    let profile = &product.profile.profile;
    let mut lines = vec![format!("{} ({})", text(&profile.title), profile.name)];
    lines.extend(product.components.iter().map(part));
    for row in &product.report_only {
        lines.push(format!("  only reported: {}", row.looked_at));
    }
    match &product.vendor {
        Way::Open { counts, builds } => {
            let to: Vec<String> = builds.iter().map(ToString::to_string).collect();
            let to = if to.is_empty() { String::new() } else { format!(", to {}", to.join(", ")) };
            lines.push(format!("  back from the product's own backups: {}{to}", counted(counts)));
            lines.push(format!("    `{}`", call("rollback", &profile.name)));
        }
        Way::Closed(why) => {
            let said = refusal::why(why);
            lines.push(format!(
                "  not back from the product's own backups [{}]: {}",
                code(said.code),
                said.message
            ));
        }
    }
    for run in &product.undoable {
        let undo = call("undo", run.as_str());
        lines.push(format!("  what the run {run} rolled back can be put in again: `{undo}`"));
    }
    lines
}

fn part(part: &Part) -> String {
    let builds: Vec<String> = part.builds.iter().map(ToString::to_string).collect();
    let builds = if builds.is_empty() { "no build to be told".to_owned() } else { builds.join(", ") };
    let rest = if part.restores { "" } else { "; nothing rolls it back" };
    format!("  {}: {builds}; {} listed files here, {} as patched{rest}", part.id, part.files, part.patched)
}
