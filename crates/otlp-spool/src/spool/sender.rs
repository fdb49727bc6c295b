//! The thread that hands batches to the receiver, and moves or removes their files as its answers demand.

use std::io;
use std::sync::Arc;

use super::batch::{BatchDir, BatchName, on_disk};
use super::deliveries::{Deliveries, Job};
use super::delivery_queue::Outcome;
use super::rejected::RejectedDir;
use super::transport::Transport;
use crate::delivery::{Class, Delivery, ExportError};
use crate::wire;

pub(super) struct Sender<C> {
    pub(super) transport: C,
    pub(super) deliveries: Arc<Deliveries>,
    /// None: batches are in memory only.
    pub(super) places: Option<(BatchDir, RejectedDir)>,
}

impl<C: Transport> Sender<C> {
    pub(super) fn run(mut self) {
        while let Some(job) = self.deliveries.next() {
            let (outcome, trouble) = self.send(&job);
            let gone = outcome_ends(&outcome);
            let evicted = self.deliveries.settle(outcome, trouble.as_ref());
            evicted.into_iter().for_each(|name| self.remove(name));
            if gone {
                self.discard(&job);
            }
        }
        self.deliveries.end();
    }

    fn send(&mut self, job: &Job) -> (Outcome, Option<ExportError>) {
        let content = match self.content(job) {
            Ok(Some(content)) => content,
            // Another process or the operator removed it: there is nothing left to report.
            Ok(None) => return (Outcome::Unreadable, None),
            Err(error) => return (Outcome::Unreadable, Some(self.disk_trouble("read", job.name, &error))),
        };
        match self.transport.carry(&content) {
            Delivery::Accepted => (Outcome::Taken, None),
            Delivery::Partial { rejected: 0, trouble } => (Outcome::Taken, Some(trouble)),
            Delivery::Partial { rejected, trouble } => {
                self.keep_apart(job.name, &content, &trouble);
                (Outcome::Refused { spans: rejected }, Some(trouble))
            }
            Delivery::Refused(trouble) => (self.refused(job, &content, &trouble), Some(trouble)),
            Delivery::Later { trouble, after, strike } => (Outcome::Later { after, strike }, Some(trouble)),
        }
    }

    /// A batch that is refused as a whole is halved until the trace is found that the receiver cannot take.
    fn refused(&self, job: &Job, content: &[u8], trouble: &ExportError) -> Outcome {
        if let Some(parts) = wire::cut(content) {
            let [first, second] = parts.map(|part| self.store_part(job, part));
            return match (first, second) {
                (Ok(first), Ok(second)) => Outcome::Cut([first, second]),
                _ => Outcome::Later { after: None, strike: true },
            };
        }
        self.keep_apart(job.name, content, trouble);
        Outcome::Refused { spans: job.name.spans.into() }
    }

    fn store_part(&self, whole: &Job, content: Vec<u8>) -> io::Result<(BatchName, u64)> {
        let name = BatchName::new(whole.name.created, wire::count(&content).unwrap_or(0));
        let bytes = content.len() as u64;
        match &self.places {
            Some((batches, _)) if whole.in_memory.is_none() => {
                batches.prepare(name, &content)?;
                batches.publish(name)?;
                Ok((name, on_disk(bytes)))
            }
            _ => {
                self.deliveries.remember(name, content);
                Ok((name, bytes))
            }
        }
    }

    fn content(&self, job: &Job) -> io::Result<Option<Arc<[u8]>>> {
        match (&job.in_memory, &self.places) {
            (Some(content), _) => Ok(Some(content.clone())),
            (None, Some((batches, _))) => Ok(batches.read(job.name)?.map(Arc::from)),
            (None, None) => Ok(None),
        }
    }

    fn keep_apart(&self, name: BatchName, content: &[u8], trouble: &ExportError) {
        let Some((_, rejected)) = &self.places else { return };
        if let Err(error) = rejected.keep(name, content, &trouble.message) {
            let path = rejected.path().display();
            tracing::error!(%path, "cannot keep a rejected batch: {error}");
        }
    }

    fn discard(&self, job: &Job) {
        if job.in_memory.is_some() { self.deliveries.forget(job.name) } else { self.remove(job.name) }
    }

    /// A batch that stays behind is sent once more at the next start.
    fn remove(&self, name: BatchName) {
        let Some((batches, _)) = &self.places else { return };
        if let Err(error) = batches.remove(name) {
            tracing::error!("{}", self.disk_trouble("remove", name, &error).message);
        }
    }

    fn disk_trouble(&self, verb: &str, name: BatchName, error: &io::Error) -> ExportError {
        let directory = self.places.as_ref().map(|(batches, _)| batches.path().display().to_string());
        let message = format!("cannot {verb} the batch {name} in {}: {error}", directory.unwrap_or_default());
        ExportError { class: Class::Disk(error.kind()), message }
    }
}

fn outcome_ends(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Later { .. })
}
