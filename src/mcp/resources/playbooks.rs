//! `opsmedic://playbooks/{id}`

use futures::FutureExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Body, Listed, MARKDOWN, Reading, Resource, SCHEME, ToolError, constant, listed};
use crate::{flows::Services, mcp::completions::Source, playbook::to_markdown, types::lang::Lang};

pub(super) const RESOURCE: Resource = Resource {
    uri: "opsmedic://playbooks/{id}{?lang,target}",
    name: "playbook",
    title: "Playbook",
    description: "The steps for one kind of trouble, in the configured language or in lang (en, zh); target fills in a configured target's values.",
    mime_type: MARKDOWN,
    variables: &[("id", Source::Playbook), ("lang", Source::Lang), ("target", Source::Target)],
    fresh_ms: 60_000,
    list,
    topic: constant,
    read: |reading| async move { read(&reading) }.boxed(),
};

/// Where a playbook is, filled in for a target of the configuration.
pub(in crate::mcp) fn uri(id: &str, lang: Lang, target: Option<&str>) -> String {
    let target = target.map(|name| format!("&target={}", utf8_percent_encode(name, NON_ALPHANUMERIC))).unwrap_or_default();
    format!("{SCHEME}playbooks/{id}?lang={}{target}", lang.pick("en", "zh"))
}

fn list(services: &Services) -> Vec<Listed> {
    let each = services.playbooks.list(services.lang).into_iter().map(|playbook| {
        let (title, when) = (services.clean_text(&playbook.title), services.clean_text(&playbook.when));
        listed(&RESOURCE, format!("{SCHEME}playbooks/{}", playbook.id), &playbook.id, title, when)
    });
    each.collect()
}

fn read(reading: &Reading<'_>) -> Result<Body, ToolError> {
    let services = &reading.hub.services;
    let lang = reading.value("lang").map(str::parse::<Lang>).transpose();
    let lang = lang.map_err(|e| ToolError::new("unknown_resource", e, "leave lang out for the configured language"))?.unwrap_or(services.lang);
    let facts = services.facts(reading.value("target"))?;
    let playbook = services.playbooks.render(reading.value("id").unwrap_or_default(), lang, &facts)?;
    Ok(Body::Whole { text: services.clean_text(&to_markdown(&playbook)), mime_type: MARKDOWN })
}
