//! Sums and percentiles over turns, computed in the database.

use rusqlite::{Connection, Params, Row};

use crate::find::{Figures, SpeechFigures, Spread};

/// The columns that `sums` reads, in its order.
const SUMS: &str = "\
    count(*), sum(t.status = 'open'), sum(t.status = 'answered'), sum(t.status = 'interrupted'),
    sum(t.status = 'failed'), sum(t.status = 'aborted'), sum(t.attempts), sum(t.input_tokens), sum(t.output_tokens),
    sum(t.cached_tokens), max(t.usage_estimated)";

/// The delays of speech, in the order in which `speech_sums` reads them.
const DELAYS: [&str; 3] = ["transcription_delay_us", "end_of_turn_delay_us", "tts_ttfb_us"];

/// The figures of the turns `t` that `source` (a FROM clause with its WHERE) leads to.
pub(super) fn figures<P: Params + Clone>(
    connection: &Connection,
    source: &str,
    params: P,
) -> rusqlite::Result<Figures> {
    let sums = connection.query_row(&format!("SELECT {SUMS} {source}"), params.clone(), sums)?;
    let e2e = spread(connection, "t.e2e_us", source, params.clone())?;
    let ttft = spread(connection, "t.ttft_us", source, params.clone())?;
    let speech = speech(connection, source, params)?;
    Ok(Figures { e2e, ttft, speech, ..sums })
}

fn speech<P: Params>(connection: &Connection, turns: &str, params: P) -> rusqlite::Result<SpeechFigures> {
    let is_empty = "SELECT NOT EXISTS (SELECT 1 FROM speech)";
    if connection.query_row(is_empty, [], |row| row.get(0))? {
        return Ok(SpeechFigures::default());
    }
    connection.query_row(&speech_query(turns), params, speech_sums)
}

/// The spoken ones of the turns are looked up once, for all figures.
fn speech_query(turns: &str) -> String {
    let tables = DELAYS.map(|delay| {
        format!("ranked_{delay} AS ({}), of_{delay} AS ({})", ranked(delay, "spoken"), spread_of(delay))
    });
    let names = DELAYS.map(|delay| format!("of_{delay}"));
    format!(
        "WITH spoken AS MATERIALIZED (SELECT v.* FROM speech v WHERE v.span_id IN (SELECT t.span_id {turns})),
            sums AS (SELECT count(*), sum(heard_us), sum(played_us) FROM spoken),
            {}
        SELECT * FROM sums, {}",
        tables.join(", "),
        names.join(", ")
    )
}

fn speech_sums(row: &Row<'_>) -> rusqlite::Result<SpeechFigures> {
    let number = |index: usize| row.get::<_, Option<i64>>(index).map(Option::unwrap_or_default);
    Ok(SpeechFigures {
        turns: number(0)?.unsigned_abs(),
        heard_us: number(1)?,
        played_us: number(2)?,
        transcription_delay: spread_at(row, 3)?,
        end_of_turn_delay: spread_at(row, 5)?,
        tts_ttfb: spread_at(row, 7)?,
    })
}

fn spread_at(row: &Row<'_>, index: usize) -> rusqlite::Result<Spread> {
    Ok(Spread { p50_us: row.get(index)?, p95_us: row.get(index + 1)? })
}

fn sums(row: &Row<'_>) -> rusqlite::Result<Figures> {
    let number = |index: usize| -> rusqlite::Result<u64> {
        let number: Option<i64> = row.get(index)?;
        Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default())
    };
    Ok(Figures {
        turns: number(0)?,
        open: number(1)?,
        answered: number(2)?,
        interrupted: number(3)?,
        failed: number(4)?,
        aborted: number(5)?,
        attempts: number(6)?,
        input_tokens: number(7)?,
        output_tokens: number(8)?,
        cached_tokens: number(9)?,
        usage_estimated: number(10)? > 0,
        ..Figures::default()
    })
}

/// The percentiles of a column of the turns `t`.
fn spread<P: Params>(
    connection: &Connection,
    column: &str,
    source: &str,
    params: P,
) -> rusqlite::Result<Spread> {
    let sql = format!(
        "WITH measured AS (SELECT {column} AS value {source}), ranked_value AS ({}) {}",
        ranked("value", "measured"),
        spread_of("value")
    );
    connection.query_row(&sql, params, |row| spread_at(row, 0))
}

/// The values of a column with their ranks and their number.
fn ranked(column: &str, table: &str) -> String {
    format!(
        "SELECT {column} AS value, row_number() OVER (ORDER BY {column}) AS rank, count(*) OVER () AS n
        FROM {table} WHERE {column} IS NOT NULL"
    )
}

/// Nearest rank, in whole numbers: ceil(p × n ÷ 100) is (p × n + 99) ÷ 100, cut off.
fn spread_of(column: &str) -> String {
    format!(
        "SELECT max(CASE WHEN rank = (n * 50 + 99) / 100 THEN value END),
            max(CASE WHEN rank = (n * 95 + 99) / 100 THEN value END)
        FROM ranked_{column}"
    )
}
