//! What people see: tables and colours on a terminal, plain text in a pipe, JSON on request.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::{
    flows::Services,
    health::State,
    types::{ids::OperationId, sanitise::sanitise_line, severity::Severity},
};

/// Standard output with the choices that were made for it.
pub struct Out {
    json: bool,
    colour: bool,
}

impl Out {
    /// For this run.
    pub fn new(json: bool, no_color: bool) -> Self {
        Self { json, colour: !json && !no_color && io::stdout().is_terminal() }
    }

    /// The same output for another part of the program.
    pub fn another(&self) -> Self {
        Self { json: self.json, colour: self.colour }
    }

    /// Whether JSON was asked for.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Bytes as they are. A reader that went away is an error, so that the work stops; [`Failure`](super::Failure) makes it a quiet one.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush())
    }

    /// A line of text.
    pub fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        self.raw(format!("{}\n", text.as_ref()).as_bytes())
    }

    /// An answer as JSON, cleaned as over MCP; on one line if `compact`.
    pub fn json(&mut self, services: &Services, value: &impl Serialize, compact: bool) -> io::Result<()> {
        let mut value = serde_json::to_value(value).map_err(io::Error::other)?;
        services.clean(&mut value);
        self.line(if compact { value.to_string() } else { format!("{value:#}") })
    }

    /// A table.
    pub fn table(&mut self, heads: &[&str], rows: Vec<Vec<Cell>>) -> io::Result<()> {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if !self.colour {
            table.force_no_tty().set_width(160);
        }
        // A terminal that does not know its size.
        if table.width().is_some_and(|width| width < 40) {
            table.set_width(80);
        }
        table.set_header(heads.iter().map(|h| Cell::new(h).add_attribute(Attribute::Bold)));
        // An id is copied: it is not broken over lines.
        let whole: Vec<usize> =
            (0..heads.len()).filter(|column| rows.iter().filter_map(|row| row.get(*column)).any(|cell| is_whole(&cell.content()))).collect();
        table.add_rows(rows);
        for column in whole {
            if let Some(column) = table.column_mut(column) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        self.line(table.to_string())
    }

    /// A line in bold on a terminal.
    pub fn title(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        let text = text.as_ref();
        if self.colour { self.line(format!("\x1b[1m{text}\x1b[0m")) } else { self.line(text) }
    }
}

/// An operation's id, alone in its cell.
fn is_whole(text: &str) -> bool {
    text.parse::<OperationId>().is_ok()
}

/// A cell of text that is harmless on a terminal.
pub(super) fn cell(text: impl AsRef<str>) -> Cell {
    Cell::new(sanitise_line(text.as_ref()))
}

/// The word by which a value of a closed set goes on the wire.
pub(super) fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A number.
pub(super) fn number(value: impl ToString) -> Cell {
    Cell::new(value.to_string()).set_alignment(comfy_table::CellAlignment::Right)
}

/// A state in its colour.
pub(super) fn state(state: State) -> Cell {
    let colour = match state {
        State::Ok => Color::Green,
        State::Degraded | State::Unknown => Color::Yellow,
        State::Down => Color::Red,
        State::Skipped => Color::DarkGrey,
    };
    Cell::new(state.name()).fg(colour)
}

/// A severity in its colour.
pub(super) fn severity(severity: Severity) -> Cell {
    let colour = match severity {
        Severity::P0 => Color::Red,
        Severity::P1 => Color::Magenta,
        Severity::P2 => Color::Yellow,
        Severity::P3 => Color::Green,
    };
    Cell::new(severity).fg(colour)
}
