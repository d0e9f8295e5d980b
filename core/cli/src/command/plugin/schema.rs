//! `backout plugin schema`: what a profile may say in `config`.

use crate::{
    answer::Answer,
    args::SchemaForm,
    session::{Session, Stop, stop},
    stanza,
};
use backout_engine::Refusal;
use backout_host::{HostError, Leave};
use backout_protocol::message::{Answer as Told, Request};
use serde_json::{Value, json};

pub(crate) fn run(session: &Session, id: &str, form: SchemaForm) -> Result<Answer, Stop> {
    let refused = |error: HostError| stop(Refusal::Plugin(error.into()));
    let plugin = session.plugins.find(id).map_err(refused)?;
    let told = session.plugins.ask(&plugin, &Request::Schema, Leave::ReadOnly).map_err(refused)?;
    let bad = |why: String| refused(HostError::BadAnswer { plugin: id.to_owned(), why });
    let schema: Value = match told {
        Told::Schema(text) => {
            serde_json::from_str(&text).map_err(|e| bad(format!("its schema is no JSON: {e}")))?
        }
        Told::Failed(failure) => return Err(refused(HostError::Failed { plugin: id.to_owned(), failure })),
        _ => return Err(bad("something else where a schema was asked for".to_owned())),
    };
    let text = match form {
        SchemaForm::JsonSchema => serde_json::to_string_pretty(&schema).unwrap_or_default(),
        SchemaForm::Ron => {
            stanza::of(&schema).ok_or_else(|| bad("its schema is too involved for a stanza".to_owned()))?
        }
    };
    Ok(Answer::read(text, json!({ "plugin": plugin.id, "version": plugin.version, "schema": schema })))
}
