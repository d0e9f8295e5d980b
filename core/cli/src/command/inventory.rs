//! `backout inventory`: which products are here, and from where they can be taken back. Names no profile.

use crate::{
    again,
    answer::Answer,
    args::Wish,
    command::profile::known,
    messages::{inventory as words, text},
    session::{Session, Stop, stop},
};
use backout_engine::{
    Refusal, State, history,
    inventory::{self, Product, Way},
    load,
};
use backout_protocol::Site;
use serde_json::{Value, json};

pub(crate) fn run(session: &Session) -> Result<Answer, Stop> {
    let state = State::look(&session.state).map_err(stop)?;
    let ask = session.ask(&Wish::default())?;
    let site = match &ask.site {
        Some(file) => load::site(&file.0).map_err(stop)?,
        None => Site::default(),
    };
    let (mut products, mut unclear) = (Vec::new(), Vec::new());
    for one in known(session)? {
        let looked = one
            .profile
            .and_then(|profile| inventory::look_for(profile, &site, &ask, state.as_ref(), &session.faces()));
        match looked {
            Ok(Some(product)) => products.push(product),
            // A product nobody said anything about, that is not where it usually is.
            Ok(None) | Err(Refusal::VariableMissing { .. }) => {}
            Err(refusal) => unclear.push((one.name, refusal)),
        }
    }
    let kept = state.as_ref().map(history::kept).transpose().map_err(stop)?.unwrap_or_default();
    let data = json!({
        "products": products.iter().map(product).collect::<Vec<_>>(),
        "unclear": unclear
            .iter()
            .map(|(name, why)| json!({ "profile": name, "why": crate::messages::refusal::why(why).message }))
            .collect::<Vec<_>>(),
        "kept": kept.iter().map(|k| json!({ "run": k.run, "bytes": k.bytes })).collect::<Vec<_>>(),
    });
    let call = |verb: &str, what: &str| {
        let wish = Wish { profile: Some(what.to_owned()), ..Wish::default() };
        again::command(verb, &session.global, &wish, &[])
    };
    Ok(Answer::read(words::all(&products, &unclear, &call), data))
}

fn product(product: &Product) -> Value {
    let profile = &product.profile.profile;
    let parts: Vec<Value> = product
        .components
        .iter()
        .map(|part| {
            json!({
                "id": part.id,
                "restores": part.restores,
                "builds": part.builds,
                "files": part.files,
                "patched": part.patched,
            })
        })
        .collect();
    let vendor = match &product.vendor {
        Way::Open { counts, builds } => json!({ "possible": true, "counts": counts, "builds": builds }),
        Way::Closed(why) => {
            let said = crate::messages::refusal::why(why);
            json!({ "possible": false, "why": said.message, "code": crate::messages::code(said.code) })
        }
    };
    let rows = product.report_only.iter();
    json!({
        "profile": profile.name,
        "title": text(&profile.title),
        "product": { "name": profile.product.name, "version": profile.product.version, "patch": profile.product.patch },
        "components": parts,
        "report_only": rows.map(|r| json!({ "list": r.list, "name": r.name, "path": r.looked_at })).collect::<Vec<_>>(),
        "from": { "vendor": vendor, "undo": product.undoable },
    })
}
