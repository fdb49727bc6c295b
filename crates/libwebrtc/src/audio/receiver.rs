//! Turns packets into the program's audio streams: the jitter buffer, and the clock that empties it.
//!
//! Nothing is kept or decoded while the track has no stream. In lasting silence the clock rests: the blocks of up to
//! [`source::LONGEST_REST`] beats come together, or at once when a packet arrives, which is put into the jitter buffer behind
//! them.

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    RtcError,
    audio::{
        clock::{self, Beat},
        jitter::{AudioPacket, JitterBuffer, JitterStats},
        opus::{self, Channels, CodecError},
        resample::{Format, Resampler},
        source::{self, Sink},
    },
    audio_frame::AudioFrame,
    frame_queue::FrameQueue,
    runtime,
};

/// The packets that arrive while the clock rests and wait for it to wake. More than these do not wait.
const ARRIVED: usize = 16;

/// The receiving end of a remote track.
#[derive(Default)]
pub(crate) struct Receiver {
    state: Mutex<State>,
    /// A packet has arrived while the clock rested.
    arrived: Arc<Notify>,
}

#[derive(Default)]
struct State {
    /// Exists while the track has a stream.
    decoding: Option<Decoding>,
    /// Replaced as a whole, so that a block takes them without a copy.
    listeners: Arc<[Arc<Listener>]>,
    runs: bool,
    ended: bool,
    /// The counts of former jitter buffers.
    counted: JitterStats,
}

struct Decoding {
    jitter: JitterBuffer,
    channels: Channels,
    rests: bool,
    /// What arrived since the clock rests.
    arrived: Vec<(Instant, AudioPacket)>,
}

/// One stream of the program: its format, and the queue of its frames.
pub(crate) struct Listener {
    format: Format,
    /// Exists once the format of the received sound is known.
    resampler: Mutex<Option<Resampler>>,
    frames: Arc<FrameQueue<AudioFrame<'static>>>,
}

// === impl Receiver ===

impl Receiver {
    /// Takes a packet that the network delivered.
    pub(crate) fn insert(&self, now: Instant, packet: AudioPacket) {
        if let Some(decoding) = &mut self.state.lock().decoding
            && decoding.insert(now, packet)
        {
            self.arrived.notify_one();
        }
    }

    /// Whether packets have to be decrypted and unpacked: the track has a stream.
    pub(crate) fn is_heard(&self) -> bool {
        self.state.lock().decoding.is_some()
    }

    pub(crate) fn listen(self: &Arc<Self>, listener: Arc<Listener>) -> Result<(), RtcError> {
        let runtime = runtime::handle()?;
        let mut state = self.state.lock();
        if state.ended {
            listener.frames.end();
            return Ok(());
        }
        state.add(listener).map_err(|error| RtcError::internal(error.to_string()))?;
        if !std::mem::replace(&mut state.runs, true) {
            let [woken, played] = [Arc::downgrade(self), Arc::downgrade(self)];
            clock::start(&runtime, self.arrived.clone(), move || wake(&woken), move |_| beat(&played));
        }
        Ok(())
    }

    pub(crate) fn unlisten(&self, listener: &Arc<Listener>) {
        let mut state = self.state.lock();
        let others = state.listeners.iter().filter(|other| !Arc::ptr_eq(other, listener));
        state.listeners = others.cloned().collect();
        if state.listeners.is_empty() {
            state.stop();
        }
    }

    /// Ends the track: its streams end too.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        state.stop();
        std::mem::take(&mut state.listeners).iter().for_each(|listener| listener.frames.end());
    }

    /// The counts of all jitter buffers of this track.
    pub(crate) fn stats(&self) -> JitterStats {
        let state = self.state.lock();
        let mut stats = state.counted.clone();
        if let Some(decoding) = &state.decoding {
            stats.add(&decoding.jitter.stats());
        }
        stats
    }

    fn play(&self, now: Instant) -> Beat {
        let mut samples = [0; 2 * opus::BLOCK];
        let mut state = self.state.lock();
        let Some(decoding) = &mut state.decoding else {
            state.runs = false;
            return Beat::Done;
        };
        let block = &mut samples[..decoding.channels.count() * opus::BLOCK];
        decoding.jitter.pull(now, block);
        let rests = decoding.jitter.is_at_rest();
        decoding.rests = rests;
        let listeners = state.listeners.clone();
        drop(state);
        listeners.iter().for_each(|listener| listener.block(block));
        if rests { source::rest(&listeners) } else { Beat::GoOn }
    }

    /// The silence until now was played: the packets that ended it follow.
    fn wake(&self) {
        self.state.lock().decoding.iter_mut().for_each(Decoding::wake);
    }
}

fn wake(receiver: &Weak<Receiver>) {
    receiver.upgrade().iter().for_each(|receiver| receiver.wake());
}

fn beat(receiver: &Weak<Receiver>) -> Beat {
    receiver.upgrade().map_or(Beat::Done, |receiver| receiver.play(tokio::time::Instant::now().into_std()))
}

// === impl State ===

impl State {
    /// One decoder serves all streams. It is replaced when the first stream with two channels is added.
    fn add(&mut self, listener: Arc<Listener>) -> Result<(), CodecError> {
        let wanted = Channels::of(listener.format.channels);
        let channels = match &self.decoding {
            Some(decoding) if decoding.channels.count() >= wanted.count() => decoding.channels,
            _ => {
                let jitter = JitterBuffer::new(wanted)?;
                for other in &*self.listeners {
                    other.tune(decoded(wanted))?;
                }
                self.stop();
                self.decoding = Some(Decoding::new(jitter, wanted));
                wanted
            }
        };
        listener.tune(decoded(channels))?;
        self.listeners = self.listeners.iter().cloned().chain([listener]).collect();
        Ok(())
    }

    fn stop(&mut self) {
        if let Some(decoding) = self.decoding.take() {
            self.counted.add(&decoding.jitter.stats());
        }
    }
}

// === impl Decoding ===

impl Decoding {
    fn new(jitter: JitterBuffer, channels: Channels) -> Self {
        Self { jitter, channels, rests: false, arrived: Vec::new() }
    }

    /// Returns whether the packet waits for the clock.
    fn insert(&mut self, now: Instant, packet: AudioPacket) -> bool {
        let waits = self.rests && self.arrived.len() < ARRIVED;
        if waits {
            self.arrived.push((now, packet));
        } else {
            self.jitter.insert(now, packet);
        }
        waits
    }

    fn wake(&mut self) {
        self.rests = false;
        self.arrived.drain(..).for_each(|(at, packet)| self.jitter.insert(at, packet));
    }
}

// === impl Listener ===

impl Listener {
    pub(crate) fn new(format: Format, frames: Arc<FrameQueue<AudioFrame<'static>>>) -> Arc<Self> {
        Arc::new(Self { format, resampler: Mutex::default(), frames })
    }

    /// Prepares for sound in the format `heard`. An unsupported rate or number of channels is an error.
    pub(crate) fn tune(&self, heard: Format) -> Result<(), CodecError> {
        *self.resampler.lock() = Some(Resampler::new(heard, self.format).map_err(CodecError::of)?);
        Ok(())
    }
}

/// The format of a decoder's output.
fn decoded(channels: Channels) -> Format {
    Format { rate: opus::SAMPLE_RATE, channels: channels.count() as u32 }
}

impl Sink for Listener {
    fn block(&self, samples: &[i16]) {
        let mut data = self.frames.spare().map_or_else(Vec::new, |frame| frame.data.into_owned());
        data.clear();
        match self.resampler.lock().as_mut() {
            Some(resampler) => data.extend_from_slice(resampler.block(samples)),
            None => return,
        }
        let Format { rate, channels } = self.format;
        self.frames.push(AudioFrame {
            data: data.into(),
            sample_rate: rate,
            num_channels: channels,
            samples_per_channel: rate / 100,
        });
    }

    /// Half of the room there is.
    fn rest(&self) -> u32 {
        u32::try_from(self.frames.capacity() / 2).unwrap_or(u32::MAX)
    }
}
