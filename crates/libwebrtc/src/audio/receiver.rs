//! Turns packets into the program's audio streams: the jitter buffer, and the clock that empties it.
//!
//! Nothing is kept or decoded while the track has no stream.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use parking_lot::Mutex;

use crate::{
    RtcError,
    audio::{
        clock::{self, Beat},
        jitter::{AudioPacket, JitterBuffer, JitterStats},
        opus::{self, Channels, CodecError},
        resample::{Format, Resampler},
        source::Sink,
    },
    audio_frame::AudioFrame,
    frame_queue::FrameQueue,
    runtime,
};

/// The receiving end of a remote track.
#[derive(Default)]
pub(crate) struct Receiver {
    state: Mutex<State>,
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
        if let Some(decoding) = &mut self.state.lock().decoding {
            decoding.jitter.insert(now, packet);
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
            let receiver = Arc::downgrade(self);
            clock::start(&runtime, move || beat(&receiver));
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
        let Some(Decoding { jitter, channels }) = &mut state.decoding else {
            state.runs = false;
            return Beat::Done;
        };
        let block = &mut samples[..channels.count() * opus::BLOCK];
        jitter.pull(now, block);
        let listeners = state.listeners.clone();
        drop(state);
        listeners.iter().for_each(|listener| listener.block(block));
        Beat::GoOn
    }
}

fn beat(receiver: &Weak<Receiver>) -> Beat {
    receiver.upgrade().map_or(Beat::Done, |receiver| receiver.play(Instant::now()))
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
                self.decoding = Some(Decoding { jitter, channels: wanted });
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
}
