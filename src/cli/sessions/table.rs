//! Sessions as a table.

use std::io::{self, Write};

use turn_store::{Figures, Found, Session, When, length, length_or_dash};

use crate::terminal::line;

/// Longer room names are cut.
const ROOM: usize = 28;
const HEAD: [&str; 13] = [
    "STARTED (UTC)",
    "ROOM",
    "SESSION",
    "LENGTH",
    "TURNS",
    "ERRORS",
    "INTERR.",
    "E2E P50",
    "P95",
    "TTFT P50",
    "P95",
    "TOKENS IN",
    "OUT",
];
/// The columns that hold text; the others hold numbers, whose ends stand below each other.
const TEXTS: usize = 3;

type Row = [String; HEAD.len()];

/// The newest session comes first; the totals of all selected sessions stand below.
pub(super) fn write(found: &Found, out: &mut dyn Write) -> io::Result<()> {
    if found.sessions.is_empty() {
        return writeln!(out, "no sessions; --since 30d looks further back");
    }
    let mut rows: Vec<Row> = vec![HEAD.map(str::to_owned)];
    rows.extend(found.sessions.iter().map(session));
    rows.push(totals(found));
    let widths: [usize; HEAD.len()] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in &rows {
        writeln!(out, "{}", aligned(row, &widths))?;
    }
    if found.next.is_some() {
        writeln!(out, "the newest {} of {}; --limit shows more", found.sessions.len(), found.count)?;
    }
    Ok(())
}

fn aligned(row: &Row, widths: &[usize; HEAD.len()]) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
        0..TEXTS => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn session(session: &Session) -> Row {
    let started = When(session.started_us).readable();
    let names =
        [started, line(&session.room, ROOM), line(&session.id, usize::MAX), length(session.length_us())];
    row(names, &session.figures)
}

fn totals(found: &Found) -> Row {
    let sessions =
        if found.count == 1 { "1 session".to_owned() } else { format!("{} sessions", found.count) };
    row(["total".to_owned(), sessions, String::new(), String::new()], &found.totals)
}

fn row([started, room, id, length]: [String; 4], figures: &Figures) -> Row {
    [
        started,
        room,
        id,
        length,
        figures.turns.to_string(),
        figures.errors().to_string(),
        figures.interrupted.to_string(),
        length_or_dash(figures.e2e.p50_us),
        length_or_dash(figures.e2e.p95_us),
        length_or_dash(figures.ttft.p50_us),
        length_or_dash(figures.ttft.p95_us),
        figures.input_tokens.to_string(),
        figures.output_tokens.to_string(),
    ]
}
