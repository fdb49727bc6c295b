//! The order and the speed in which sound is played.

use crate::audio::opus::BLOCK;

use super::{
    JitterBuffer, REMEMBERED,
    clock::{Micros, micros},
    head::{Head, Outlook, Step},
    queue::Packet,
    stretch::{Direction, WINDOW},
};

/// After a longer absence of listeners the packets have only piled up.
const MAX_ABSENCE: Micros = 500_000;
/// A block needs a packet or two; only malicious packets need more.
const MAX_STEPS: usize = 64;

impl JitterBuffer {
    /// After an absence of listeners, playback continues with the present sound, not with that of the absence.
    pub(super) fn listen(&mut self, now: Micros) {
        let absence = now - std::mem::replace(&mut self.last_pull, now);
        if absence <= MAX_ABSENCE {
            return;
        }
        self.voice.forget();
        self.head = None;
        while self.queue.second().is_some_and(|second| self.spare(now, second.timestamp) >= 0) {
            self.queue.pop();
            self.stats.packets_discarded += 1;
        }
    }

    /// Decodes until at least one block is ready.
    pub(super) fn fill(&mut self, now: Micros) {
        for _ in 0..MAX_STEPS {
            if self.voice.len() >= BLOCK {
                break;
            }
            self.step(now);
        }
    }

    /// By how much longer than its target a sound at this time would have waited if it were played now.
    fn spare(&self, now: Micros, timestamp: i64) -> Micros {
        self.delay.waited(now, timestamp).unwrap_or(0) - self.delay.target(now)
    }

    /// Makes some samples from the available packets, or moves the head towards them.
    fn step(&mut self, now: Micros) {
        match self.next_step(now) {
            Step::Decode => self.decode(now),
            Step::Recover => self.recover(now),
            Step::Conceal(samples) => {
                let concealed = self.conceal(samples);
                self.head.iter_mut().for_each(|head| head.concealed(concealed));
            }
            Step::Bridge(samples) => self.bridge(now, samples),
            Step::Jump(next) => self.head.iter_mut().for_each(|head| head.jumped(next)),
            Step::Wait => {
                let waited = self.conceal(BLOCK - self.voice.len().min(BLOCK));
                self.head.iter_mut().for_each(|head| head.waited(waited));
            }
        }
    }

    fn next_step(&mut self, now: Micros) -> Step {
        self.discard_over();
        let (heard, target) = (now + micros(self.voice.len() as i64), self.delay.target(now));
        let spare = |timestamp| self.delay.waited(heard, timestamp).unwrap_or(0) - target;
        let Some(first) = self.queue.first() else { return Step::Wait };
        let head = match &mut self.head {
            Some(head) => head,
            None if spare(first.timestamp) >= 0 => self.head.insert(Head::before(first)),
            None => return Step::Wait,
        };
        head.settle(first, spare(head.next) * 6 / 125);
        let outlook = Outlook { is_silent: self.voice.is_silent(), is_comfort: self.voice.is_comfort() };
        head.step(first, outlook, |start| spare(start) >= 0)
    }

    /// Drops packets whose time passed while they waited, because others overlapped them.
    fn discard_over(&mut self) {
        let Some(head) = &self.head else { return };
        while self.queue.first().is_some_and(|first| first.is_over_at(head.next)) {
            self.queue.pop();
            self.stats.packets_discarded += 1;
        }
    }

    fn decode(&mut self, now: Micros) {
        let Some(packet) = self.take_first(now, 0) else { return };
        if self.voice.decode(&packet).is_err() {
            self.stats.packets_malformed += 1;
        }
    }

    fn bridge(&mut self, now: Micros, samples: usize) {
        let Some(packet) = self.take_first(now, samples) else { return };
        self.stats.concealed(samples, self.voice.is_live(), false);
        if self.voice.bridge(samples, &packet).is_err() {
            self.stats.packets_malformed += 1;
        }
    }

    /// Takes the first packet, which is played next, except for `after` samples.
    fn take_first(&mut self, now: Micros, after: usize) -> Option<Packet> {
        let (packet, head) = (self.queue.pop()?, self.head.as_mut()?);
        let wait = now + micros((self.voice.len() + after) as i64) - packet.arrival;
        self.stats.emitted(packet.duration, wait, self.delay.target(now));
        head.decoded(&packet);
        if self.played.len() == REMEMBERED {
            self.played.pop_front();
        }
        self.played.push_back(packet.timestamp);
        Some(packet)
    }

    fn recover(&mut self, now: Micros) {
        let (Some(packet), Some(head)) = (self.queue.first(), &mut self.head) else { return };
        head.recovered(packet);
        self.delay.copy_needed(now, packet.duration);
        match self.voice.recover(packet) {
            Ok(()) => self.stats.fec_packets += 1,
            Err(_) => self.stats.packets_malformed += 1,
        }
    }

    fn conceal(&mut self, samples: usize) -> usize {
        let (was_live, is_silent) = (self.voice.is_live(), self.voice.is_silent());
        let concealed = self.voice.conceal(samples);
        if self.head.is_some() && !self.voice.is_comfort() {
            self.stats.concealed(concealed, was_live, is_silent);
        }
        concealed
    }

    /// Moves the delay towards its target, if a voice is playing that can be sped up or slowed down.
    pub(super) fn adapt(&mut self, now: Micros) {
        let Some(head) = self.head.as_ref().filter(|_| self.voice.is_live()) else { return };
        let Some(change) = self.stretch.plan(now, self.excess(now, head)) else { return };
        self.decode_ahead(now);
        let (ready, channels) = self.voice.ready();
        let samples = self.stretch.apply(now, change, ready, channels) as u64;
        match change.direction {
            Direction::Shrink => self.stats.removed_samples_for_acceleration += samples,
            Direction::Grow => self.stats.inserted_samples_for_deceleration += samples,
        }
    }

    /// By how much the delay is too long, or too short if negative. After the network's path has become longer the
    /// delay seems long for a while; the queue then holds less than that, and nothing may be taken from it.
    fn excess(&self, now: Micros, head: &Head) -> Micros {
        let ready = self.voice.len() as i64;
        let waited = self.delay.waited(now, head.next - ready).unwrap_or(0);
        let (target, tolerated) = (self.delay.target(now), self.delay.tolerated(now));
        let there = micros(ready + self.queue.reach(head.next));
        let above = (waited - tolerated).min(there - target);
        if above > 0 { above } else { (waited - target).min(0) }
    }

    fn decode_ahead(&mut self, now: Micros) {
        while self.voice.len() < WINDOW
            && let (Some(head), Some(first)) = (&self.head, self.queue.first())
            && head.continues_with(first)
        {
            self.decode(now);
        }
    }
}
