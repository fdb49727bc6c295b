//! Sums and percentiles over turns, computed in the database.

use rusqlite::{Connection, Params, Row};

use crate::find::{Figures, SpeechFigures, Spread};

/// The columns that `sums` reads, in its order.
const SUMS: &str = "\
    count(*), sum(t.status = 'open'), sum(t.status = 'answered'), sum(t.status = 'interrupted'),
    sum(t.status = 'failed'), sum(t.status = 'aborted'), sum(t.attempts), sum(t.input_tokens), sum(t.output_tokens),
    sum(t.cached_tokens), max(t.usage_estimated)";

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

fn speech<P: Params + Clone>(
    connection: &Connection,
    turns: &str,
    params: P,
) -> rusqlite::Result<SpeechFigures> {
    let source = format!("FROM speech v WHERE v.span_id IN (SELECT t.span_id {turns})");
    let sums = format!("SELECT count(*), sum(v.heard_us), sum(v.played_us) {source}");
    let sums = connection.query_row(&sums, params.clone(), |row| {
        let number = |index: usize| row.get::<_, Option<i64>>(index).map(Option::unwrap_or_default);
        let (turns, heard_us, played_us) = (number(0)?.unsigned_abs(), number(1)?, number(2)?);
        Ok(SpeechFigures { turns, heard_us, played_us, ..SpeechFigures::default() })
    })?;
    if sums.turns == 0 {
        return Ok(sums);
    }
    let spread = |column: &str| spread(connection, column, &source, params.clone());
    Ok(SpeechFigures {
        transcription_delay: spread("v.transcription_delay_us")?,
        end_of_turn_delay: spread("v.end_of_turn_delay_us")?,
        tts_ttfb: spread("v.tts_ttfb_us")?,
        ..sums
    })
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

/// Nearest rank, in whole numbers: ceil(p × n ÷ 100) is (p × n + 99) ÷ 100, cut off.
fn spread<P: Params>(
    connection: &Connection,
    column: &str,
    source: &str,
    params: P,
) -> rusqlite::Result<Spread> {
    let sql = format!(
        "WITH
            measured AS (SELECT {column} AS value {source} AND {column} IS NOT NULL),
            ranked AS (SELECT value, row_number() OVER (ORDER BY value) AS rank, count(*) OVER () AS n FROM measured)
        SELECT max(CASE WHEN rank = (n * 50 + 99) / 100 THEN value END),
               max(CASE WHEN rank = (n * 95 + 99) / 100 THEN value END)
        FROM ranked"
    );
    connection.query_row(&sql, params, |row| Ok(Spread { p50_us: row.get(0)?, p95_us: row.get(1)? }))
}
