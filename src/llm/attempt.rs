//! One attempt: a streamed HTTP call, and its report.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use conversation::Message;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::config;
use crate::llm::error::{Fault, Kind};
use crate::llm::openai::{Ask, Chunk, Exchange, Finish, Parameters, Provider, Reply, joined};
use crate::llm::usage::Reported;
use crate::llm::words::{Habit, Piece, Words};

/// The most chunks in a row that may be without content.
const MAX_SILENT_CHUNKS: u32 = 100_000;

/// A call under way. Dropping it closes its connection, unless the reply has ended.
pub(super) struct Attempt {
    exchange: Arc<Exchange>,
    state: State,
    /// The pieces that came and were not taken yet.
    pieces: VecDeque<Piece>,
    /// Chunks since the last piece.
    silent_chunks: u32,
    received: Received,
}

/// The content of the stream so far.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) finish_reason: Option<String>,
    pub(super) reported: Reported,
    words: Words,
    /// The high half of a surrogate pair whose low half comes with the next words.
    half: Option<u16>,
    /// Words came.
    has_words: bool,
    /// Words or thoughts came.
    has_thought: bool,
    /// The choice that is the reply: the first one with content.
    choice: Option<u64>,
    /// The text that came in the place of deltas.
    by_message: String,
    /// Some part of a completion came.
    is_completion: bool,
    /// An event of a server's own shape, without finish reasons, came.
    is_native: bool,
    /// The server counted the tokens of a whole reply.
    is_counted: bool,
    /// An event that is no chunk of a completion came.
    has_other: bool,
    fault: Option<Fault>,
}

enum State {
    Opening(BoxFuture<'static, Result<Reply, Fault>>),
    Open(Reply),
    Ended(Result<(), Fault>),
}

// === impl Attempt ===

impl Attempt {
    /// Nothing is sent before `next` is called. `habit` is the way in which the model begins; None where its thoughts
    /// are shown.
    pub(super) fn new(
        provider: &Provider,
        config: &Arc<config::Llm>,
        messages: &Arc<[Message]>,
        habit: Option<Habit>,
    ) -> Self {
        let exchange = Arc::new(Exchange::default());
        let opening = open(provider.clone(), config.clone(), messages.clone(), exchange.clone());
        let state = State::Opening(opening.boxed());
        Self { exchange, state, pieces: VecDeque::new(), silent_chunks: 0, received: Received::new(habit) }
    }

    /// The next piece. None: the reply has ended well. To be called no more after that or an error.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>, Fault> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Ok(Some(piece));
            }
            match &mut self.state {
                State::Opening(opening) => self.state = State::Open(opening.await?),
                State::Open(reply) => {
                    let next = reply.next().await;
                    let done = reply.is_done();
                    self.take(next, done);
                }
                State::Ended(ended) => return ended.clone().map(|()| None),
            }
        }
    }

    /// The time at which waiting words go out, if nothing comes before.
    pub(super) fn release_at(&self) -> Option<Instant> {
        self.received.words.release_at()
    }

    /// Lets the waiting words go out.
    pub(super) fn release(&mut self) {
        self.received.words.release(&mut self.pieces);
    }

    /// Stops waiting for more: words that may go out do so, and are returned with the pieces not taken yet.
    pub(super) fn break_off(&mut self) -> VecDeque<Piece> {
        self.received.words.break_off(&mut self.pieces);
        std::mem::take(&mut self.pieces)
    }

    pub(super) fn received(&self) -> &Received {
        &self.received
    }

    /// Closes the connection and returns the report so far.
    pub(super) fn close(self) -> (Arc<Exchange>, Received) {
        (self.exchange, self.received)
    }

    fn silence(&self) -> Option<Fault> {
        let is_endless = self.silent_chunks > MAX_SILENT_CHUNKS;
        is_endless.then(|| Fault::with_detail(Kind::MalformedStream, "100,000 events in a row said nothing"))
    }

    fn take(&mut self, next: Option<Result<Chunk, Fault>>, done: bool) {
        let now = tokio::time::Instant::now().into_std();
        let ended = match next {
            Some(Ok(chunk)) => {
                self.received.take(now, chunk, &mut self.pieces);
                self.silent_chunks = if self.pieces.is_empty() { self.silent_chunks + 1 } else { 0 };
                self.received.fault().or_else(|| self.silence()).map(Err)
            }
            Some(Err(_)) if self.received.is_whole() => Some(Ok(())),
            Some(Err(fault)) => Some(Err(fault)),
            None => {
                self.received.finish_words(now, &mut self.pieces);
                Some(self.received.end(done, self.exchange.stray()))
            }
        };
        if let Some(ended) = ended {
            self.received.finish_words(now, &mut self.pieces);
            self.state = State::Ended(ended);
        }
    }
}

async fn open(
    provider: Provider,
    config: Arc<config::Llm>,
    messages: Arc<[Message]>,
    exchange: Arc<Exchange>,
) -> Result<Reply, Fault> {
    let ask = Ask { messages: &messages, model: &config.model, parameters: Parameters::of(&config) };
    provider.ask(&ask, exchange).await
}

// === impl Received ===

impl Received {
    pub(super) fn new(habit: Option<Habit>) -> Self {
        Self {
            id: None,
            model: None,
            finish_reason: None,
            reported: Reported::default(),
            words: Words::new(habit),
            half: None,
            has_words: false,
            has_thought: false,
            choice: None,
            by_message: String::new(),
            is_completion: false,
            is_native: false,
            is_counted: false,
            has_other: false,
            fault: None,
        }
    }

    /// Whether all words have come, so that the fate of the connection does not matter.
    pub(super) fn is_whole(&self) -> bool {
        self.has_words && self.fault.is_none() && self.finish().is_some_and(|finish| !finish.is_failure())
    }

    /// The habit of the model that the reply has shown; None if it showed none.
    pub(super) fn habit(&self) -> Option<Habit> {
        self.words.habit()
    }

    /// Whether the model has worked, though no word of it may have come.
    pub(super) fn has_thought(&self) -> bool {
        self.has_thought
    }

    /// The error that the server reported.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.clone()
    }

    /// Takes note that no more words come.
    pub(super) fn finish_words(&mut self, now: Instant, pieces: &mut VecDeque<Piece>) {
        if let Some(alone) = joined(self.half.take(), None) {
            self.words.take(now, &alone.to_string(), pieces);
        }
        self.words.finish(now, self.finish(), pieces);
        self.has_words = self.words.has_begun();
    }

    fn finish(&self) -> Option<Finish> {
        self.finish_reason.as_deref().map(Finish::of)
    }

    pub(super) fn take(&mut self, now: Instant, mut chunk: Chunk, pieces: &mut VecDeque<Piece>) {
        self.id = self.id.take().or(chunk.id.take());
        self.model = self.model.take().or(chunk.model.take());
        self.has_other |= !chunk.is_completion;
        self.is_completion |= chunk.is_completion;
        self.is_native |= chunk.is_native;
        if self.is_of_another_choice(&chunk) {
            return;
        }
        self.note_finish(chunk.finish_reason.take());
        let finished = self.finish_reason.is_some();
        self.is_counted |= chunk.choice.is_none() && self.has_words && chunk.counts.output > Some(0);
        self.reported.note(chunk.counts, finished);
        self.take_words(now, &chunk, pieces);
        if finished {
            // Some servers give a reason with each chunk, so that more may come.
            self.words.release_at_end(self.finish(), pieces);
        }
        self.fault = self.fault.take().or(chunk.fault);
    }

    /// The first choice with content is the reply.
    fn is_of_another_choice(&mut self, chunk: &Chunk) -> bool {
        let Some(index) = chunk.choice else { return false };
        let says = chunk.has_letters() || chunk.whole.is_some() || chunk.finish_reason.is_some();
        match self.choice {
            Some(ours) => ours != index,
            None => {
                self.choice = says.then_some(index);
                false
            }
        }
    }

    /// The first reason stays, unless a later one reports a failure.
    fn note_finish(&mut self, reason: Option<String>) {
        let Some(reason) = reason else { return };
        let breaks = Finish::of(&reason).is_failure();
        if self.finish_reason.is_none() || breaks {
            self.finish_reason = Some(reason);
        }
    }

    fn take_words(&mut self, now: Instant, chunk: &Chunk, pieces: &mut VecDeque<Piece>) {
        if chunk.reasoning {
            self.words.thoughts_come_apart(pieces);
            pieces.push_back(Piece::Thought);
        }
        let of_whole =
            chunk.whole.as_deref().filter(|_| chunk.text.is_empty()).and_then(|whole| self.new_of(whole));
        let text = of_whole.unwrap_or_else(|| self.whole_letters(chunk));
        if !text.is_empty() {
            self.words.take(now, &text, pieces);
        }
        self.has_words = self.words.has_begun();
        self.has_thought |= chunk.reasoning || !text.trim().is_empty();
    }

    /// The words of a chunk, with the half of a letter that came before them and without the half whose rest is yet to
    /// come.
    fn whole_letters(&mut self, chunk: &Chunk) -> String {
        let (low, high) = chunk.halves;
        if !chunk.has_letters() {
            return String::new();
        }
        let first = joined(self.half.take(), low);
        self.half = high;
        first.into_iter().chain(chunk.text.chars()).collect()
    }

    /// The new part of a `message`: all of it where nothing came in deltas, the addition where it repeats itself; None
    /// where it repeats the deltas.
    fn new_of(&mut self, whole: &str) -> Option<String> {
        if self.has_words && self.by_message.is_empty() {
            return None;
        }
        let new = whole.strip_prefix(self.by_message.as_str()).unwrap_or(whole).to_owned();
        self.by_message.push_str(&new);
        Some(new)
    }

    /// Judges a stream that has ended. `done` says whether the provider announced it.
    pub(super) fn end(&mut self, done: bool, stray: Option<&str>) -> Result<(), Fault> {
        let Some(finish) = self.finish() else { return self.end_without_reason(done, stray) };
        match finish {
            Finish::Failed { may_pass } => {
                let reason = self.finish_reason.as_deref().unwrap_or_default();
                let detail = format!("finish_reason \"{reason}\"");
                Err(Fault { is_final: !may_pass, ..Fault::with_detail(Kind::ProviderError, detail) })
            }
            Finish::Filtered if !self.has_words => Err(Kind::ContentFilter.into()),
            _ if !self.has_words => Err(Kind::EmptyReply.into()),
            _ => Ok(()),
        }
    }

    /// Without a finish reason a reply is whole only where the server has none: in its own shape, or where it counted
    /// the tokens in the end, as Snowflake does.
    fn end_without_reason(&mut self, done: bool, stray: Option<&str>) -> Result<(), Fault> {
        let is_reply = self.is_completion;
        let detail = stray.map(str::to_owned);
        if !is_reply && (self.has_other || detail.is_some()) {
            return Err(Fault { detail, ..Kind::NotAStream.into() });
        }
        match done && (self.is_native || self.is_counted || !is_reply) {
            true if self.has_words => {
                self.reported.conclude();
                Ok(())
            }
            true => Err(Kind::EmptyReply.into()),
            false => Err(Fault { detail, ..Kind::StreamEndedEarly.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::usage::{Counts, Spent};

    fn words(text: &str) -> Chunk {
        Chunk { text: text.into(), choice: Some(0), is_completion: true, ..Chunk::default() }
    }

    fn finish(reason: &str) -> Chunk {
        Chunk { finish_reason: Some(reason.into()), ..words("") }
    }

    fn counted(input: u64, output: u64) -> Chunk {
        let counts = Counts { input: Some(input), output: Some(output), cached_input: None };
        Chunk { counts, is_completion: true, ..Chunk::default() }
    }

    fn received(chunks: impl IntoIterator<Item = Chunk>) -> (Received, String) {
        let mut received = Received::new(Some(Habit::Plain));
        let mut pieces = VecDeque::new();
        chunks.into_iter().for_each(|chunk| received.take(Instant::now(), chunk, &mut pieces));
        let words = pieces.into_iter().filter_map(|piece| match piece {
            Piece::Words(words) => Some(words),
            _ => None,
        });
        let words = words.collect();
        (received, words)
    }

    fn ended(chunks: impl IntoIterator<Item = Chunk>, done: bool) -> Result<(), Kind> {
        received(chunks).0.end(done, None).map_err(|fault| fault.kind)
    }

    #[test]
    fn a_reply_is_whole_by_a_finish_reason_that_means_it() {
        for reason in ["stop", "length", "content_filter", "eos_token"] {
            assert_eq!(ended([words("hi"), finish(reason)], false), Ok(()), "{reason}");
        }
        for done in [true, false] {
            assert_eq!(ended([words("hi")], done), Err(Kind::StreamEndedEarly));
            assert_eq!(ended([words("hi"), finish("error")], done), Err(Kind::ProviderError));
            assert_eq!(ended([words("hi"), finish("stop"), finish("error")], done), Err(Kind::ProviderError));
        }
    }

    #[test]
    fn done_ends_a_reply_of_a_server_that_has_no_reasons_to_give() {
        let native = || Chunk { is_native: true, choice: None, ..words("hi") };
        assert_eq!(ended([native()], true), Ok(()));
        assert_eq!(ended([native()], false), Err(Kind::StreamEndedEarly));
        assert_eq!(ended([words("hi"), counted(5, 6)], true), Ok(()));
        assert_eq!(ended([words("hi"), counted(5, 6)], false), Err(Kind::StreamEndedEarly));
    }

    #[test]
    fn an_empty_reply_is_an_error_and_a_filtered_one_another() {
        for empty in
            [vec![], vec![words(" \n")], vec![words("<think>hm</think>\n")], vec![words("<think>hm")]]
        {
            let ended = ended(empty.into_iter().chain([finish("stop")]), true);
            assert_eq!(ended, Err(Kind::EmptyReply));
        }
        assert_eq!(ended([finish("content_filter")], true), Err(Kind::ContentFilter));
    }

    #[test]
    fn what_is_no_reply_at_all_is_told_from_one_that_broke_off() {
        assert_eq!(ended([], false), Err(Kind::StreamEndedEarly));
        assert_eq!(ended([], true), Err(Kind::EmptyReply));
        assert_eq!(ended([Chunk::default()], false), Err(Kind::NotAStream));
        let nothing = Received::new(None).end(false, Some("Internal error")).unwrap_err();
        assert_eq!((nothing.kind, nothing.detail.as_deref()), (Kind::NotAStream, Some("Internal error")));
    }

    #[test]
    fn a_repetition_of_the_whole_is_not_said_again_and_alone_it_is_the_reply() {
        let whole = || Chunk { whole: Some("Good morning.".into()), ..words("") };
        assert_eq!(received([whole()]).1, "Good morning.");
        assert_eq!(received([words("Good "), words("morning."), whole()]).1, "Good morning.");
        let beside = Chunk { whole: Some("Good".into()), ..words("Good") };
        assert_eq!(received([beside, words(" morning.")]).1, "Good morning.");
        let message = |text: &str| Chunk { whole: Some(text.into()), ..words("") };
        assert_eq!(received([message("Good "), message("morning.")]).1, "Good morning.");
        assert_eq!(received([message("Good"), message("Good morning.")]).1, "Good morning.");
    }

    #[test]
    fn a_letter_that_was_cut_in_two_is_said_as_one() {
        let cut = |low, text: &str, high| Chunk { halves: (low, high), ..words(text) };
        let (high, low) = (Some(0xd83d), Some(0xde00));
        assert_eq!(received([cut(None, "Hi ", high), words(""), cut(low, "!", None)]).1, "Hi 😀!");
        assert_eq!(received([cut(None, "", high), cut(low, "", high), cut(low, "", None)]).1, "😀😀");
        assert_eq!(received([cut(None, "Hi ", high), words("you")]).1, "Hi \u{fffd}you");
        assert_eq!(received([cut(low, "Hi", None)]).1, "\u{fffd}Hi");
    }

    #[test]
    fn words_of_another_choice_are_not_mixed_in() {
        let other = || Chunk { choice: Some(1), ..words("Bad") };
        assert_eq!(received([words("Good"), other(), words(" day")]).1, "Good day");
        assert_eq!(received([words(""), other()]).1, "Bad");
    }

    #[test]
    fn a_reason_with_each_chunk_ends_no_thought_and_no_tag() {
        let both = |text: &str| Chunk { finish_reason: Some("stop".into()), ..words(text) };
        assert_eq!(
            received([both("<thought>hm</tho"), both("ught>Good "), both("morning.")]).1,
            "Good morning."
        );
        assert_eq!(received([both("<tho"), both("ught>hm</thought>Good")]).1, "Good");
    }

    #[test]
    fn usage_after_the_finish_reason_counts_and_before_it_does_not() {
        let settled =
            |chunks: Vec<Chunk>| received(chunks).0.reported.settle(Spent::Worked, &[], "hi").estimated;
        assert!(!settled(vec![finish("stop"), counted(5, 6)]));
        assert!(settled(vec![counted(5, 6), words("hi")]));
    }

    #[test]
    fn chunks_that_say_nothing_end_the_attempt_when_there_are_very_many_in_a_row() {
        let mut attempt = Attempt {
            exchange: Arc::default(),
            state: State::Opening(std::future::pending().boxed()),
            pieces: VecDeque::new(),
            silent_chunks: 0,
            received: Received::new(Some(Habit::Plain)),
        };
        let mut take = |chunk: Chunk| {
            attempt.take(Some(Ok(chunk)), false);
            attempt.pieces.clear();
            matches!(&attempt.state, State::Ended(Err(fault)) if fault.kind == Kind::MalformedStream)
        };
        assert!(!(0..MAX_SILENT_CHUNKS).any(|_| take(words(""))));
        assert!(!take(Chunk { reasoning: true, ..words("") }));
        assert!(!(0..MAX_SILENT_CHUNKS).any(|_| take(words(""))));
        assert!(take(words("")));
    }

    #[test]
    fn the_first_model_and_id_are_kept() {
        let named = |model: &str| Chunk { model: Some(model.into()), ..Chunk::default() };
        assert_eq!(received([named("one"), named("two")]).0.model.as_deref(), Some("one"));
    }
}
