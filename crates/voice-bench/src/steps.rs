//! What the steps of spoken turns took: when the caller spoke and heard (`spoken`), joined with the log of the scripted
//! vendors and with the worker's spans. Pure, but for the files that are read.

mod figures;
mod vendors;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use testbed::Span;

use self::figures::{Figures, Row};
use self::vendors::{Endpoint, Request, requests};
use crate::spoken::Turn;

/// Silence after which the detector tells a pause, in microseconds.
const PAUSE: u64 = 64_000;
/// What precedes a turn's question belongs to another turn, in microseconds.
const LONGEST: u64 = 20_000_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What `spoken` printed.
    #[arg(long)]
    turns: PathBuf,
    /// The log of the scripted vendors.
    #[arg(long)]
    log: PathBuf,
    /// The spans that the collector wrote.
    #[arg(long)]
    spans: PathBuf,
    /// The reply of the scripted model.
    #[arg(long)]
    reply: String,
    /// The worker's `turn.min_delay` in milliseconds.
    #[arg(long)]
    min_delay_ms: u64,
    /// Figures to keep to, as `NAME=P50/P95` in milliseconds, of which either may be missing.
    #[arg(long, value_name = "NAME=P50/P95")]
    at_most: Vec<String>,
}

/// What was recorded of a turn, in microseconds since 1970.
struct Recorded<'a> {
    turn: &'a Turn,
    /// The last speech by the worker's detector.
    last_speech: Option<u64>,
    transcription: Option<&'a Request>,
    /// Whether the first silence was the end.
    is_asked_once: bool,
    chat: Option<&'a Request>,
    speech: Option<&'a Request>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let turns = turns(&options.turns)?;
    let requests = requests(&read(&options.log)?)?;
    let spans = testbed::spans::decode(read(&options.spans)?.as_bytes())?;
    let completes = vendors::completing_write(&options.reply);
    let mut figures = Figures::new(&options.at_most)?;
    for turn in &turns {
        let recorded = Recorded::new(turn, &requests, &spans);
        recorded.measure(&mut figures, options.min_delay_ms * 1000, completes);
    }
    let answered = turns.iter().filter(|turn| turn.heard_us.is_some()).count();
    println!("{} turns, {answered} answered", turns.len());
    figures.print()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn turns(path: &Path) -> Result<Vec<Turn>> {
    read(path)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

// === impl Recorded ===

impl<'a> Recorded<'a> {
    fn new(turn: &'a Turn, requests: &'a [Request], spans: &[Span]) -> Self {
        let until = turn.heard_us.unwrap_or(turn.said_us + LONGEST);
        let since_question = |at: u64| (turn.began_us..until).contains(&at);
        let of = |endpoint| {
            requests.iter().filter(move |request| {
                request.endpoint == endpoint && request.is_answered && since_question(request.came_us)
            })
        };
        let asked = |request: &&Request| {
            request.endpoint == Endpoint::Transcription && since_question(request.came_us)
        };
        let roots = spans.iter().filter(|span| span.name == "livekit.llm_call");
        let root = roots.map(|root| root.start_ns / 1000).find(|start| since_question(*start));
        let chat = of(Endpoint::Chat).next_back();
        let after_chat = |speech: &&Request| chat.is_some_and(|chat| speech.came_us > chat.came_us);
        Self {
            turn,
            last_speech: root,
            transcription: of(Endpoint::Transcription).next_back(),
            is_asked_once: requests.iter().filter(asked).count() == 1,
            chat,
            speech: of(Endpoint::Speech).find(after_chat),
        }
    }

    fn measure(&self, figures: &mut Figures, min_delay: u64, completes: Option<usize>) {
        let turn = self.turn;
        figures.add(Row::Voice, turn.heard_us, Some(turn.said_us));
        if let Some(stopped) = turn.stopped_us {
            figures.add(Row::Stop, Some(stopped), Some(turn.began_us));
        }
        // A pause in the question asks for a transcript too, and the trace begins with that.
        let last_speech = self.last_speech.filter(|_| self.is_asked_once);
        figures.add(Row::Ended, last_speech, Some(turn.said_us));
        figures.add(Row::Stt, self.transcription.map(|it| it.came_us), last_speech.map(|last| last + PAUSE));
        let text_at = self.transcription.and_then(|it| it.ended_us);
        let due = last_speech.zip(text_at).map(|(last, text)| (last + min_delay).max(text));
        figures.add(Row::Llm, self.chat.map(|it| it.came_us), due);
        figures.add(Row::Early, self.chat.map(|it| it.came_us), text_at);
        let piece = self.chat.zip(completes).and_then(|(chat, at)| chat.written_us.get(at).copied());
        let sound = self.speech.and_then(|it| it.written_us.first().copied());
        figures.add(Row::Tts, self.speech.map(|it| it.came_us), piece);
        figures.add(Row::Packet, turn.packet_us, sound);
        figures.add(Row::Way, turn.heard_us, turn.packet_us);
    }
}
