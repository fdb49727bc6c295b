//! One session: its figures, then its conversation turn by turn and the time that each part took.

use std::io::Write;

use turn_store::{
    Bar, Direction, Place, Reader, Session, SpeechFigures, Turn, Turns, When, bars, json, length,
    length_or_dash, shares,
};

use crate::config::TraceUrl;
use crate::terminal::{self, line};

/// How many turns are held at a time; a session may have any number.
const PAGE: usize = 100;
const EXCERPT: usize = 100;
const CELLS: usize = 32;
/// Names stand in this column, bars behind it.
const LABEL: usize = 8;

/// The most bytes of the texts of turns that are read at once.
const MAX_BYTES: usize = 4 << 20;

pub(super) struct Show<'a> {
    pub(super) reader: &'a Reader,
    pub(super) trace_url: Option<&'a TraceUrl>,
    /// The session's id, or its beginning.
    pub(super) id: &'a str,
}

// === impl Show ===

impl Show<'_> {
    pub(super) fn write(&self, as_json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
        let session = self.reader.session(self.id)?;
        if as_json { self.write_json(&session, out) } else { self.write_text(&session, out) }
    }

    fn write_text(&self, session: &Session, out: &mut dyn Write) -> anyhow::Result<()> {
        write!(out, "{}", head(session))?;
        self.each_turn(session, |turn| Ok(write!(out, "\n{}", render(turn, self.trace_url))?))
    }

    /// The session is written turn by turn, so that none is too long.
    fn write_json(&self, session: &Session, out: &mut dyn Write) -> anyhow::Result<()> {
        let shown = |value: serde_json::Value| terminal::json(&value.to_string()).into_owned();
        write!(out, "{{\"session\":{},\"turns\":[", shown(json::session(session)))?;
        let mut comma = "";
        self.each_turn(session, |turn| {
            let turn = shown(json::turn(turn, self.trace_url));
            Ok(write!(out, "{}\n{turn}", std::mem::replace(&mut comma, ","))?)
        })?;
        Ok(writeln!(out, "\n]}}")?)
    }

    fn each_turn(
        &self,
        session: &Session,
        mut tell: impl FnMut(&Turn) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut after = None;
        loop {
            let direction = Direction::After(after);
            let wanted = Turns { direction, limit: PAGE, max_text: usize::MAX, max_bytes: MAX_BYTES };
            let found = self.reader.turns(&session.id, &wanted)?;
            found.turns.iter().try_for_each(&mut tell)?;
            after = found.turns.last().map(Place::of);
            if !found.more {
                return Ok(());
            }
        }
    }
}

// === what is told ===

fn head(session: &Session) -> String {
    let figures = &session.figures;
    let estimated = if figures.usage_estimated { " (in part estimated)" } else { "" };
    format!(
        "session {}, room {}, agent {}\n{} UTC, {}; {} turns, {} errors, {} interrupted\n\
         first word p50 {}, p95 {}; model's first word p50 {}, p95 {}; {} → {} tokens{estimated}\n{}",
        line(&session.id, usize::MAX),
        line(&session.room, EXCERPT),
        line(&session.agent, EXCERPT),
        When(session.started_us).readable(),
        length(session.length_us()),
        figures.turns,
        figures.errors(),
        figures.interrupted,
        length_or_dash(figures.e2e.p50_us),
        length_or_dash(figures.e2e.p95_us),
        length_or_dash(figures.ttft.p50_us),
        length_or_dash(figures.ttft.p95_us),
        figures.input_tokens,
        figures.output_tokens,
        speech_head(&figures.speech),
    )
}

fn speech_head(speech: &SpeechFigures) -> String {
    if speech.turns == 0 {
        return String::new();
    }
    format!(
        "{} spoken turns: heard {}, played {}; end of turn p50 {}, p95 {}; STT p50 {}, p95 {}; TTS p50 {}, p95 {}\n",
        speech.turns,
        length(speech.heard_us),
        length(speech.played_us),
        length_or_dash(speech.end_of_turn_delay.p50_us),
        length_or_dash(speech.end_of_turn_delay.p95_us),
        length_or_dash(speech.transcription_delay.p50_us),
        length_or_dash(speech.transcription_delay.p95_us),
        length_or_dash(speech.tts_ttfb.p50_us),
        length_or_dash(speech.tts_ttfb.p95_us),
    )
}

fn render(turn: &Turn, trace_url: Option<&TraceUrl>) -> String {
    let mut lines = vec![format!(
        "#{} {} {} {}",
        turn.index,
        When(turn.started_us).readable(),
        line(&turn.speaker, EXCERPT),
        turn.status().as_str(),
    )];
    let answer = turn.end.as_ref().and_then(|end| end.answer.as_str());
    for (sign, said) in [('>', turn.question.as_str()), ('<', answer)] {
        lines.extend(said.map(|said| format!("  {sign} {}", line(said, EXCERPT))));
    }
    lines.extend(bars(turn).iter().map(|bar| drawn(bar, turn)));
    lines.extend(speech(turn));
    lines.extend(
        turn.failure().map(|failure| format!("  ! {}: {}", failure.class, line(&failure.message, 300))),
    );
    lines.push(match trace_url {
        Some(url) => format!("  trace {}", url.link(json::linked(turn))),
        None => format!("  trace {}", turn.trace_id),
    });
    lines.join("\n") + "\n"
}

/// The shares of a spoken turn, and how long its sounds were.
fn speech(turn: &Turn) -> Option<String> {
    let speech = turn.end.as_ref()?.speech;
    let mut words: Vec<String> =
        shares(turn).iter().map(|share| format!("{} {}", share.name, length(share.us))).collect();
    words.extend(speech.heard_us.map(|us| format!("heard {}", length(us))));
    words.extend(speech.played_us.map(|us| format!("played {}", length(us))));
    words.extend(speech.cut_bytes.map(|bytes| format!("cut after {bytes} bytes of the reply")));
    (!words.is_empty()).then(|| format!("  {:<LABEL$}  {}", "speech", words.join(" · ")))
}

/// Light cells are the wait for the first word, full cells the rest.
fn drawn(bar: &Bar<'_>, turn: &Turn) -> String {
    let label = match bar.attempt {
        None => "turn".to_owned(),
        Some(attempt) => format!("  {} {}", attempt.stage.as_str(), attempt.number),
    };
    let cells = cells(bar);
    let words = words(bar, turn).join(" · ");
    format!("  {label:<LABEL$}  {cells}  {:>9}  {words}", length(bar.length_us)).trim_end().to_owned()
}

fn cells(bar: &Bar<'_>) -> String {
    let border = |share: f64| (share * CELLS as f64).round() as usize;
    let from = border(bar.from).min(CELLS - 1);
    let until = border(bar.until).clamp(from + 1, CELLS);
    // A bar without a first word was waiting all the time.
    let first = bar.first_word.map_or(until, |share| border(share).clamp(from, until));
    "·".repeat(from) + &"░".repeat(first - from) + &"█".repeat(until - first) + &"·".repeat(CELLS - until)
}

fn words(bar: &Bar<'_>, turn: &Turn) -> Vec<String> {
    let Some(end) = &turn.end else { return Vec::new() };
    if let Some(attempt) = bar.attempt {
        let status = attempt.http_status.map(|status| format!("HTTP {status}"));
        let class = attempt.error.as_ref().map(|error| error.class.clone());
        let repeats = class == attempt.http_status.map(|status| status.to_string());
        return status.into_iter().chain(class.filter(|_| !repeats)).collect();
    }
    let estimated = if end.usage.estimated { " (estimated)" } else { "" };
    let mut words = vec![format!("{} → {} tokens{estimated}", end.usage.input, end.usage.output)];
    let first = if end.speech.played_us.is_some() { "first sound" } else { "first word" };
    words.extend(end.e2e_us.map(|us| format!("{first} {}", length(us))));
    words.extend(end.ttft_us.map(|us| format!("TTFT {}", length(us))));
    words.extend(end.model.as_deref().map(|model| line(model, EXCERPT)));
    let cut = end.finish_reason.as_deref().filter(|reason| *reason != "stop");
    words.extend(cut.map(|reason| format!("finish reason {}", line(reason, EXCERPT))));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use turn_store::samples;

    #[test]
    fn a_retried_turn_is_told_with_a_bar_for_each_attempt() {
        let expected = "\
#3 2026-01-02 03:04:05 ada answered
  > what is\u{fffd}[31m tracing?
  < following a request
  turn      ░░░░░░░░░░░░░░░░░░░░████████████     400 ms  21 → 48 tokens · first word 250 ms · TTFT 240 ms · gpt-5.4-mini · finish reason length
    llm 1   ░░░░░░░░························     100 ms  HTTP 429
    llm 2   ················░░░█████████████     200 ms  HTTP 200
  trace 4bf92f3577b34da6a3ce929d0e0e4736
";
        assert_eq!(render(&samples::retried_turn(), None), expected);
    }

    #[test]
    fn a_spoken_turn_is_told_with_its_services_and_its_shares() {
        let expected = "\
  turn      ░░░░░░░░░░░░░███████████████████      2.0 s  21 → 48 tokens · first sound 810 ms · TTFT 200 ms · gpt-5.4-mini · finish reason length
    stt 1   ░░░·····························     160 ms  HTTP 200
    llm 1   ········░░░███··················     400 ms  HTTP 200
    tts 1   ···········░░███················     290 ms  HTTP 200
  speech    end of turn 500 ms · STT 180 ms · LLM 200 ms · TTS 90 ms · heard 1.3 s · played 1.2 s · cut after 19 bytes of the reply
";
        let told = render(&samples::spoken_turn(), None);
        assert!(told.contains(expected), "{told}");
    }

    #[test]
    fn a_turn_under_way_has_no_bar_and_a_failed_one_says_why() {
        let open = Turn { end: None, ..samples::retried_turn() };
        assert_eq!(render(&open, None).lines().count(), 3, "{}", render(&open, None));
        let failed = render(&samples::failed_turn(), None);
        assert!(failed.contains("  ! 500: the model broke\n"), "{failed}");
    }
}
