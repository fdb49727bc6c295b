//! One attempt: a streamed HTTP call, and what it says of itself.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::chat::Message;
use crate::config;
use crate::llm::error::{Fault, Kind};
use crate::llm::openai::{Ask, Chunk, Exchange, Provider, Reply};
use crate::llm::usage::Reported;

/// A call under way. Dropping it closes its connection, unless the reply has ended.
pub(super) struct Attempt {
    exchange: Arc<Exchange>,
    state: State,
    received: Received,
}

/// What the stream has said besides words.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) finish_reason: Option<String>,
    pub(super) reported: Reported,
    words: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Words to pass on, never empty.
    Words(String),
    /// A sign of life that nobody hears.
    Thought,
}

enum State {
    Opening(BoxFuture<'static, Result<Reply, Fault>>),
    Open(Reply),
}

// === impl Attempt ===

impl Attempt {
    /// Nothing is sent before `next` is called.
    pub(super) fn new(provider: &Provider, config: &Arc<config::Llm>, messages: &Arc<[Message]>) -> Self {
        let exchange = Arc::new(Exchange::default());
        let opening = open(provider.clone(), config.clone(), messages.clone(), exchange.clone());
        Self { exchange, state: State::Opening(opening.boxed()), received: Received::default() }
    }

    /// What comes next. None: the reply has ended well. To be called no more after that or an error.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>, Fault> {
        loop {
            let reply = match &mut self.state {
                State::Open(reply) => reply,
                State::Opening(opening) => {
                    self.state = State::Open(opening.await?);
                    continue;
                }
            };
            let Some(chunk) = reply.next().await else {
                let done = reply.is_done();
                return self.received.end(done).map(|()| None);
            };
            if let Some(piece) = self.received.take(chunk?) {
                return Ok(Some(piece));
            }
        }
    }

    pub(super) fn received(&self) -> &Received {
        &self.received
    }

    /// Closes the connection and keeps what is known.
    pub(super) fn close(self) -> (Arc<Exchange>, Received) {
        (self.exchange, self.received)
    }
}

async fn open(
    provider: Provider,
    config: Arc<config::Llm>,
    messages: Arc<[Message]>,
    exchange: Arc<Exchange>,
) -> Result<Reply, Fault> {
    let ask = Ask {
        messages: &messages,
        model: &config.model,
        temperature: config.temperature,
        max_tokens: config.max_tokens,
    };
    provider.ask(&ask, exchange).await
}

// === impl Received ===

impl Received {
    /// Whether all words have come, so that it does not matter what happens to the connection.
    pub(super) fn is_whole(&self) -> bool {
        self.words && self.finish_reason.is_some()
    }

    fn take(&mut self, chunk: Chunk) -> Option<Piece> {
        self.id = self.id.take().or(chunk.id);
        self.model = self.model.take().or(chunk.model);
        self.finish_reason = self.finish_reason.take().or(chunk.finish_reason);
        if let Some(usage) = chunk.usage {
            self.reported.note(usage, self.finish_reason.is_some());
        }
        if chunk.text.is_empty() {
            return chunk.reasoning.then_some(Piece::Thought);
        }
        self.words = true;
        Some(Piece::Words(chunk.text))
    }

    /// Judges a stream that has ended. `done` says whether the provider announced it.
    fn end(&self, done: bool) -> Result<(), Fault> {
        match self.finish_reason.as_deref() {
            None if !done => Err(Kind::StreamEndedEarly.into()),
            Some("content_filter") if !self.words => Err(Kind::ContentFilter.into()),
            _ if !self.words => Err(Kind::EmptyReply.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Usage;
    use crate::llm::usage::Spent;

    fn words(text: &str) -> Chunk {
        Chunk { text: text.into(), ..Chunk::default() }
    }

    fn finish(reason: &str) -> Chunk {
        Chunk { finish_reason: Some(reason.into()), ..Chunk::default() }
    }

    fn ended(chunks: impl IntoIterator<Item = Chunk>, done: bool) -> Result<(), Kind> {
        let mut received = Received::default();
        for chunk in chunks {
            received.take(chunk);
        }
        received.end(done).map_err(|fault| fault.kind)
    }

    #[test]
    fn a_reply_is_whole_with_a_finish_reason_or_done() {
        assert_eq!(ended([words("hi"), finish("stop")], false), Ok(()));
        assert_eq!(ended([words("hi")], true), Ok(()));
        assert_eq!(ended([words("hi")], false), Err(Kind::StreamEndedEarly));
    }

    #[test]
    fn an_empty_reply_is_an_error_and_a_filtered_one_another() {
        assert_eq!(ended([finish("stop")], true), Err(Kind::EmptyReply));
        assert_eq!(ended([], true), Err(Kind::EmptyReply));
        assert_eq!(ended([finish("content_filter")], true), Err(Kind::ContentFilter));
    }

    #[test]
    fn usage_after_the_finish_reason_counts_and_before_it_does_not() {
        let usage = Usage { input: 5, output: 6, ..Usage::default() };
        let counted = || Chunk { usage: Some(usage), ..Chunk::default() };
        let settled = |chunks: Vec<Chunk>| {
            let mut received = Received::default();
            for chunk in chunks {
                received.take(chunk);
            }
            received.reported.settle(Spent::Worked, &[], "hi").estimated
        };
        assert!(!settled(vec![finish("stop"), counted()]));
        assert!(settled(vec![counted(), words("hi")]));
    }

    #[test]
    fn the_first_model_and_id_are_kept() {
        let mut received = Received::default();
        for model in ["one", "two"] {
            received.take(Chunk { model: Some(model.into()), ..Chunk::default() });
        }
        assert_eq!(received.model.as_deref(), Some("one"));
    }
}
