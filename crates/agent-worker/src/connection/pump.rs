//! Moves frames between the socket and the two queues of a connection.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};
use tracing::{debug, warn};

use super::{Incoming, Outgoing, Socket};
use crate::message::{Answer, ServerMessage, WorkerMessage};
use crate::observer::{Answered, Observer};
use crate::protocol;

/// A frame that cannot be written for so long means that the server does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// For the server to close its side as well.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// A server that has no answer after 3 s gives the job up, so this is late, and worth knowing before it is too late.
const LATE: Duration = Duration::from_millis(500);
/// Offers that wait for their answer, as far as their time is taken.
const TIMED_OFFERS: usize = 256;

/// Why the socket closed.
#[derive(Debug, Error)]
enum Closed {
    #[error("the connection to LiveKit broke: {0}")]
    Broken(#[from] tungstenite::Error),
    #[error("LiveKit took no data for {WRITE_TIMEOUT:?}")]
    Stuck,
    #[error("{0}")]
    ByServer(String),
    #[error("LiveKit closed the connection")]
    Ended,
}

/// Moves frames between the socket and the two queues.
pub(super) struct Pump<'a> {
    socket: Socket,
    incoming: &'a mpsc::Sender<Incoming>,
    outgoing: mpsc::Receiver<Outgoing>,
    /// The number of frames that were no messages.
    malformed: u64,
    offers: Offers,
}

/// The times at which offers came, until they are answered.
struct Offers {
    observer: Arc<dyn Observer>,
    waiting: HashMap<String, Instant>,
}

/// The action that follows the writing of a message.
enum Written {
    End { job_id: String },
    Answer { job_id: String, answer: Answered },
}

// === impl Pump ===

impl<'a> Pump<'a> {
    pub(super) fn new(
        socket: Socket,
        incoming: &'a mpsc::Sender<Incoming>,
        outgoing: mpsc::Receiver<Outgoing>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let offers = Offers { observer, waiting: HashMap::new() };
        Self { socket, incoming, outgoing, malformed: 0, offers }
    }

    /// Returns why the socket closed.
    pub(super) async fn run(mut self) -> String {
        self.tell(Incoming::Opened).await;
        loop {
            let step = tokio::select! {
                outgoing = self.outgoing.recv() => match outgoing {
                    Some(outgoing) => self.write(outgoing).await,
                    None => return self.close().await,
                },
                frame = self.socket.next() => self.read(frame).await,
            };
            if let Err(reason) = step {
                return reason.to_string();
            }
        }
    }

    async fn write(&mut self, outgoing: Outgoing) -> Result<(), Closed> {
        let (frame, written) = match outgoing {
            Outgoing::Ping => (Message::Ping(Bytes::new()), None),
            Outgoing::Message(message) => {
                let written = Written::of(&message);
                (Message::Binary(protocol::encode(message).into()), written)
            }
        };
        match timeout(WRITE_TIMEOUT, self.socket.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => return Err(Closed::Stuck),
        }
        match written {
            Some(Written::End { job_id }) => self.tell(Incoming::EndWritten { job_id }).await,
            Some(Written::Answer { job_id, answer }) => self.offers.answered(&job_id, answer),
            None => {}
        }
        Ok(())
    }

    async fn read(&mut self, frame: Option<Result<Message, tungstenite::Error>>) -> Result<(), Closed> {
        match frame {
            Some(Ok(Message::Binary(frame))) => match protocol::decode(&frame) {
                Ok(message) => {
                    self.offers.note(&message);
                    self.tell(Incoming::Message(Box::new(message))).await;
                }
                Err(error) => self.ignore(frame.len(), error).await,
            },
            // The server writes text only to workers that write text.
            Some(Ok(Message::Text(text))) => self.ignore(text.len(), "it is text").await,
            Some(Ok(Message::Close(close))) => return Err(Closed::ByServer(describe_close(close))),
            Some(Ok(_)) => self.tell(Incoming::Alive).await,
            Some(Err(error)) => return Err(error.into()),
            None => return Err(Closed::Ended),
        }
        Ok(())
    }

    /// Logs at full level once per connection, so that a faulty server does not fill the disk.
    async fn ignore(&mut self, bytes: usize, why: impl Display) {
        self.malformed += 1;
        match self.malformed {
            1 => {
                warn!(bytes, %why, "ignored a frame from LiveKit that is no message; further ones are logged at debug")
            }
            count => debug!(bytes, %why, count, "ignored a frame from LiveKit that is no message"),
        }
        self.tell(Incoming::Alive).await;
    }

    /// Reads to the end: a socket that is closed with unread data resets the connection, and data that the server has
    /// not read by then may be lost.
    async fn close(&mut self) -> String {
        let goodbye = async {
            let _ = self.socket.close(None).await;
            while let Some(Ok(_)) = self.socket.next().await {}
        };
        let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
        "closed by us".to_owned()
    }

    /// The receiver may be gone while the last frames are written.
    async fn tell(&self, incoming: Incoming) {
        let _ = self.incoming.send(incoming).await;
    }
}

// === impl Offers ===

impl Offers {
    fn note(&mut self, message: &ServerMessage) {
        if let ServerMessage::Offer(job) = message
            && self.waiting.len() < TIMED_OFFERS
        {
            self.waiting.insert(job.id.clone(), Instant::now());
        }
    }

    fn answered(&mut self, job_id: &str, answer: Answered) {
        let Some(took) = self.waiting.remove(job_id).map(|came| came.elapsed()) else { return };
        self.observer.offer_answered(answer, took);
        if took > LATE {
            warn!(
                job_id,
                ?took,
                "an offer was answered late; LiveKit gives a job up after 3 s. Is the machine overloaded?"
            );
        }
    }
}

// === impl Written ===

impl Written {
    fn of(message: &WorkerMessage) -> Option<Self> {
        match message {
            WorkerMessage::Ended { job_id, .. } => Some(Self::End { job_id: job_id.clone() }),
            WorkerMessage::Answer { job_id, answer } => {
                let answer = match answer {
                    Answer::Yes(_) => Answered::Taken,
                    Answer::No => Answered::Declined,
                    Answer::Superfluous => Answered::Superfluous,
                };
                Some(Self::Answer { job_id: job_id.clone(), answer })
            }
            _ => None,
        }
    }
}

fn describe_close(close: Option<CloseFrame>) -> String {
    match close {
        Some(close) if !close.reason.is_empty() => {
            format!("LiveKit closed the connection: {} ({})", close.reason, close.code)
        }
        _ => "LiveKit closed the connection".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    #[derive(Debug, Default)]
    struct Counted(Mutex<Vec<Answered>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Observer for Counted {
        fn offer_answered(&self, answer: Answered, _: Duration) {
            self.0.lock().unwrap().push(answer);
        }
    }

    /// The log of `speak`, as one text.
    fn said(speak: impl FnOnce()) -> String {
        let lines = Lines::default();
        let sink = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || sink.clone()).finish();
        tracing::subscriber::with_default(subscriber, speak);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn an_offer_that_is_answered_late_is_told_and_others_are_not() {
        let counted = Arc::new(Counted::default());
        let said = said(|| {
            let late = Instant::now().checked_sub(2 * LATE).unwrap();
            let waiting = [("AJ_late", late), ("AJ_soon", Instant::now())];
            let waiting = waiting.map(|(job, came)| (job.to_owned(), came)).into();
            let mut offers = Offers { observer: counted.clone(), waiting };
            for job in ["AJ_late", "AJ_soon"] {
                offers.answered(job, Answered::Taken);
            }
        });
        assert!(said.contains("AJ_late") && !said.contains("AJ_soon"), "{said}");
        assert_eq!(*counted.0.lock().unwrap(), [Answered::Taken, Answered::Taken]);
    }
}
