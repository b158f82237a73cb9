//! `playbook list` and `playbook show`

use clap::Subcommand;

use super::{
    Exit, Failure, Out, Outcome,
    output::{cell, number},
};
use crate::{flows::Services, playbook::to_markdown, types::lang::Lang};

#[derive(Debug, Subcommand)]
pub enum PlaybookCommand {
    /// List the playbooks
    List,
    /// Show a playbook
    Show {
        /// Its id, such as service_down
        id: String,
        /// A configured target, whose values are filled into the commands
        #[arg(long)]
        target: Option<String>,
    },
}

pub(super) fn run(command: &PlaybookCommand, services: &Services, lang: Lang, out: &mut Out) -> Outcome {
    match command {
        PlaybookCommand::List => {
            let list = services.playbooks.list(lang);
            if out.is_json() {
                out.json(services, &list, false)?;
            } else {
                let rows = list.iter().map(|p| vec![cell(&p.id), cell(&p.title), number(p.steps), cell(&p.when)]);
                out.table(&["Id", "Title", "Steps", "When"], rows.collect())?;
            }
        }
        PlaybookCommand::Show { id, target } => {
            let facts = services.facts(target.as_deref()).map_err(Failure::usage)?;
            let playbook = services.playbooks.render(services.playbook_id(id), lang, &facts).map_err(Failure::usage)?;
            if out.is_json() {
                out.json(services, &playbook, false)?;
            } else {
                out.line(services.clean_text(&to_markdown(&playbook)))?;
            }
        }
    }
    Ok(Exit::Fine)
}
