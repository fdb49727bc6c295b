//! A trace as a waterfall: one line a span, indented under its parent, with a bar on the time axis of the trace.

use testbed::Span;
use testbed::spans::Status;

use crate::terminal::{Style, Terminal, duration};

const INDENT: usize = 2;
const NARROWEST_BAR: usize = 12;
const WIDEST_BAR: usize = 44;
/// The width of a line besides its label and bar: the duration, the status and a few words.
const ROOM_FOR_WORDS: usize = 52;

/// The lines of one trace; they end in a line break.
pub(crate) fn draw(terminal: &Terminal, trace: &[Span]) -> String {
    let rows = rows(trace);
    let label_width = rows.iter().map(Row::label_width).max().unwrap_or(0);
    let axis = Axis::of(trace, bar_width(terminal, label_width));
    let mut text = String::new();
    for row in &rows {
        text.push_str(row.line(terminal, label_width, &axis).trim_end());
        text.push('\n');
    }
    text
}

fn bar_width(terminal: &Terminal, label_width: usize) -> usize {
    terminal.width().saturating_sub(label_width + ROOM_FOR_WORDS).clamp(NARROWEST_BAR, WIDEST_BAR)
}

/// A span and how deep it stands below its root.
struct Row<'a> {
    span: &'a Span,
    depth: usize,
}

/// Maps the time of a trace to cells of a bar.
struct Axis {
    start_ns: u64,
    length_ns: u64,
    cells: usize,
}

/// Parents before children, siblings by their start. A span whose parent is not in the trace counts as a root, so that
/// every span has its line.
fn rows(trace: &[Span]) -> Vec<Row<'_>> {
    let is_known = |id: &String| trace.iter().any(|span| span.span_id == *id);
    let mut roots: Vec<&Span> =
        trace.iter().filter(|span| !span.parent_id.as_ref().is_some_and(is_known)).collect();
    roots.sort_by_key(|span| span.start_ns);
    let mut rows = Vec::new();
    for root in roots {
        descend(trace, root, 0, &mut rows);
    }
    rows
}

fn descend<'a>(trace: &'a [Span], span: &'a Span, depth: usize, rows: &mut Vec<Row<'a>>) {
    rows.push(Row { span, depth });
    let mut children: Vec<&Span> =
        trace.iter().filter(|child| child.parent_id.as_ref() == Some(&span.span_id)).collect();
    children.sort_by_key(|child| child.start_ns);
    for child in children {
        descend(trace, child, depth + 1, rows);
    }
}

impl Row<'_> {
    fn label_width(&self) -> usize {
        self.depth * INDENT + self.span.name.chars().count()
    }

    fn line(&self, terminal: &Terminal, label_width: usize, axis: &Axis) -> String {
        let label = format!("{:indent$}{}", "", self.span.name, indent = self.depth * INDENT);
        let (style, status) = status(self.span.status);
        format!(
            "  {label:<label_width$}  {}  {:>8}  {}  {}",
            axis.bar(terminal, self.span, style),
            duration(self.span.duration()),
            terminal.paint(style, format!("{status:<5}")),
            terminal.paint(Style::Faint, details(self.span)),
        )
    }
}

impl Axis {
    fn of(trace: &[Span], cells: usize) -> Self {
        let start_ns = trace.iter().map(|span| span.start_ns).min().unwrap_or(0);
        let end_ns = trace.iter().map(|span| span.end_ns).max().unwrap_or(0);
        Self { start_ns, length_ns: end_ns.saturating_sub(start_ns).max(1), cells }
    }

    /// Light cells are the wait for the first token or sound, full cells the rest.
    fn bar(&self, terminal: &Terminal, span: &Span, style: Style) -> String {
        let from = self.cell(span.start_ns).min(self.cells - 1);
        let until = self.cell(span.end_ns).clamp(from + 1, self.cells);
        let first_token = first_token_ns(span).map_or(from, |time| self.cell(time).clamp(from, until));
        let empty = |cells: usize| terminal.paint(Style::Faint, "·".repeat(cells));
        let bar = "░".repeat(first_token - from) + &"█".repeat(until - first_token);
        empty(from) + &terminal.paint(style, bar) + &empty(self.cells - until)
    }

    /// The cell border nearest to a time.
    fn cell(&self, time_ns: u64) -> usize {
        let share = time_ns.saturating_sub(self.start_ns) as f64 / self.length_ns as f64;
        (share * self.cells as f64).round() as usize
    }
}

fn first_token_ns(span: &Span) -> Option<u64> {
    let seconds = span.double("gen_ai.response.time_to_first_chunk")?;
    Some(span.start_ns + (seconds.max(0.0) * 1e9) as u64)
}

fn status(status: Status) -> (Style, &'static str) {
    match status {
        Status::Ok => (Style::Good, "OK"),
        Status::Error => (Style::Bad, "ERROR"),
        Status::Unset => (Style::Bad, "UNSET"),
    }
}

/// The main facts about a span, in a few words. Each kind of span has only some of these attributes.
fn details(span: &Span) -> String {
    let mut words = Vec::new();
    words.extend(tokens(span));
    words.extend(flag(span, "livekit.usage_estimated", "estimated"));
    let sound = span.double("livekit.audio_duration");
    let first = if sound.is_some() { "first sound" } else { "TTFT" };
    words.extend(
        span.double("gen_ai.response.time_to_first_chunk")
            .map(|time| format!("{first} {:.0} ms", time * 1e3)),
    );
    words.extend(sound.map(|seconds| format!("{seconds:.1} s of sound")));
    words.extend(span.text("gen_ai.response.model").map(str::to_owned));
    words.extend(span.int("lk.retry_count").map(|retries| format!("attempt {}", retries + 1)));
    words.extend(span.int("http.response.status_code").map(|code| format!("HTTP {code}")));
    words.extend(flag(span, "lk.interrupted", "interrupted"));
    words.extend(error_type(span));
    words.extend(Some(span.status_message.clone()).filter(|message| !message.is_empty()));
    words.join(" · ")
}

/// The class of an error, unless it only repeats the HTTP status.
fn error_type(span: &Span) -> Option<String> {
    let error_type = span.text("error.type")?;
    let code = span.int("http.response.status_code").map(|code| code.to_string());
    (code.as_deref() != Some(error_type)).then(|| error_type.to_owned())
}

fn tokens(span: &Span) -> Option<String> {
    let of = |prefix: &str| {
        let input = span.int(&format!("{prefix}input_tokens"))?;
        let output = span.int(&format!("{prefix}output_tokens"))?;
        Some(format!("{input} → {output} tokens"))
    };
    of("gen_ai.usage.").or_else(|| of("livekit."))
}

fn flag(span: &Span, key: &str, word: &str) -> Option<String> {
    (span.attribute(key)?.as_bool()?).then(|| word.to_owned())
}

#[cfg(test)]
pub(crate) mod samples {
    use serde_json::{Value, json};
    use testbed::Span;
    use testbed::spans::{SpanKind, Status};

    const MS: u64 = 1_000_000;

    pub(crate) fn span(name: &str, id: &str, parent: Option<&str>, ms: std::ops::Range<u64>) -> Span {
        Span {
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
            span_id: id.to_owned(),
            parent_id: parent.map(str::to_owned),
            name: name.to_owned(),
            kind: SpanKind::Internal,
            start_ns: ms.start * MS,
            end_ns: ms.end * MS,
            status: Status::Ok,
            status_message: String::new(),
            attributes: Default::default(),
            events: Vec::new(),
            links: Vec::new(),
            resource: Default::default(),
            scope: "voiced".to_owned(),
        }
    }

    fn with(mut span: Span, attributes: Value) -> Span {
        for (key, value) in attributes.as_object().into_iter().flatten() {
            span.attributes.insert(key.clone(), value.clone());
        }
        span
    }

    /// A turn whose first attempt was refused and whose second answered.
    pub(crate) fn retried_turn() -> Vec<Span> {
        let mut refused = with(
            span("llm_request_run", "r1", Some("q"), 1010..1110),
            json!({"lk.retry_count": 0, "http.response.status_code": 429, "error.type": "429"}),
        );
        refused.status = Status::Error;
        refused.status_message = "rate limited".to_owned();
        vec![
            with(
                span("llm_request_run", "r2", Some("q"), 1210..1390),
                json!({"lk.retry_count": 1, "http.response.status_code": 200}),
            ),
            refused,
            with(
                span("llm_request", "q", Some("root"), 1000..1400),
                json!({
                    "gen_ai.usage.input_tokens": 21, "gen_ai.usage.output_tokens": 48,
                    "gen_ai.response.time_to_first_chunk": 0.2, "gen_ai.response.model": "gpt-5.4-mini",
                }),
            ),
            with(
                span("livekit.llm_call", "root", None, 1000..1400),
                json!({"livekit.question": "hello", "livekit.input_tokens": 21, "livekit.output_tokens": 48}),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_a_retried_turn() {
        let drawn = draw(&Terminal::plain(91), &samples::retried_turn());
        let expected = "  \
  livekit.llm_call     ████████████████████    400 ms  OK     21 → 48 tokens
    llm_request        ░░░░░░░░░░██████████    400 ms  OK     21 → 48 tokens · TTFT 200 ms · gpt-5.4-mini
      llm_request_run  ·█████··············    100 ms  ERROR  attempt 1 · HTTP 429 · rate limited
      llm_request_run  ···········█████████    180 ms  OK     attempt 2 · HTTP 200
";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn a_span_too_short_to_see_still_has_a_cell() {
        let trace = [
            samples::span("turn", "a", None, 0..10_000),
            samples::span("end", "b", Some("a"), 10_000..10_000),
        ];
        let drawn = draw(&Terminal::plain(80), &trace);
        let last = drawn.lines().last().unwrap();
        assert_eq!(last.matches('█').count(), 1, "{drawn}");
        assert_eq!(first_and_last_bar_widths(&drawn), (23, 23), "{drawn}");
    }

    #[test]
    fn requests_for_speech_tell_of_their_sound() {
        let mut speech = samples::span("tts_request", "t", None, 0..400);
        speech.attributes.insert("livekit.audio_duration".to_owned(), 1.26.into());
        speech.attributes.insert("gen_ai.response.time_to_first_chunk".to_owned(), 0.2.into());
        let drawn = draw(&Terminal::plain(84), &[speech]);
        assert!(drawn.contains("░█") && drawn.ends_with("first sound 200 ms · 1.3 s of sound\n"), "{drawn}");
    }

    fn first_and_last_bar_widths(drawn: &str) -> (usize, usize) {
        let width = |line: &str| line.chars().filter(|it| "░█·".contains(*it)).count();
        (drawn.lines().next().map_or(0, width), drawn.lines().last().map_or(0, width))
    }

    #[test]
    fn a_span_without_its_parent_is_drawn_as_a_root() {
        let trace = [samples::span("orphan", "a", Some("elsewhere"), 0..10)];
        assert!(draw(&Terminal::plain(80), &trace).starts_with("  orphan  █"));
        assert_eq!(draw(&Terminal::plain(80), &[]), "");
    }

    #[test]
    fn errors_are_red_and_nothing_is_coloured_without_a_terminal() {
        let trace = samples::retried_turn();
        assert!(draw(&Terminal::colourful(93), &trace).contains("\x1b[31mERROR"));
        assert!(!draw(&Terminal::plain(93), &trace).contains('\x1b'));
    }
}
