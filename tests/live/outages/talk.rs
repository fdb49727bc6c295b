//! A conversation through an outage, and how much of it was lost.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use testbed::Span;
use voiced::caller::Caller;

use crate::support::fault::{self, Measured};
use crate::support::world::{PATIENCE, Worker, World};

/// How long one question waits for its answer before it is asked anew.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// The questions that were asked and answered.
#[derive(Default)]
pub(crate) struct Talk {
    answered: Vec<String>,
}

impl Talk {
    /// Asks once; the answer must come.
    pub(crate) async fn ask(&mut self, caller: &mut Caller, text: &str) {
        let reply = caller.say(text, PATIENCE, |_| ()).await.unwrap();
        assert_eq!(reply.text.expose(), format!("You said: {text}"));
        self.answered.push(text.to_owned());
    }

    /// Asks until the answer comes, because no agent hears what is said during the outage. Returns the time of the
    /// answer.
    pub(crate) async fn ask_until_answered(
        &mut self,
        caller: &mut Caller,
        text: &str,
        worker: &Worker,
    ) -> Instant {
        let deadline = Instant::now() + 4 * PATIENCE;
        for count in 0.. {
            let question = format!("{text} {count}");
            let answer = format!("You said: {question}");
            let mut reply = caller.say(&question, ASK_AGAIN, |_| ()).await.ok().map(|reply| reply.text);
            // A notice or an earlier reply may have come first.
            while reply.as_ref().is_some_and(|reply| reply.expose() != answer) {
                reply = caller.greeting(ASK_AGAIN).await;
            }
            if reply.is_some() {
                self.answered.push(question);
                break;
            }
            assert!(Instant::now() < deadline, "{text:?} is not answered:\n{}", worker.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Instant::now()
    }

    /// Reports the fault, with the spans that answered turns still miss once the collector has everything.
    pub(crate) fn measured(&self, row: &str, recovery: Duration, world: &World) {
        let deadline = Instant::now() + PATIENCE;
        let mut lost = self.lost(world);
        while lost != (0, 0) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
            lost = self.lost(world);
        }
        let (turns_lost, spans_lost) = lost;
        fault::measured(row, Measured { recovery, turns_lost, spans_lost });
    }

    fn lost(&self, world: &World) -> (usize, usize) {
        let spans = world.collector.spans().unwrap();
        let traces = testbed::spans::by_trace(&spans);
        let asks = |trace: &&Vec<Span>, question: &String| {
            trace.iter().any(|span| span.text("livekit.question") == Some(question))
        };
        // A turn has its root, its request and at least one attempt.
        let missing = |question: &String| {
            let trace = traces.iter().find(|trace| asks(trace, question));
            3_usize.saturating_sub(trace.map_or(0, Vec::len))
        };
        let record = Connection::open_with_flags(world.record(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let recorded = |question: &&String| {
            let count = "SELECT count(*) FROM turns WHERE question = ?1 AND status = 'answered'";
            record.query_row(count, [question], |row| row.get::<_, i64>(0)).unwrap() == 1
        };
        let turns = self.answered.iter().filter(|question| !recorded(question)).count();
        (turns, self.answered.iter().map(missing).sum())
    }
}
