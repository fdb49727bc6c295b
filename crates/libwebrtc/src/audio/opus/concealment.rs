//! Conceals lost packets with a guess from the sound before them.
//!
//! The voice is modelled as a filter, the mouth, which shapes the sound of the throat: pulses that repeat with the
//! pitch, and noise. Both are measured in the last 40 ms, and continued. Where the gap is short, and the sound after it
//! has arrived, the same is done backwards from there, and the one guess is faded into the other: a third fewer words
//! are misread then.
//!
//! `ropus` conceals as well, but keeps only the noise of a voice: its speech layer begins with an empty memory of
//! pulses, so that a voice falls by 9 dB within 10 ms, by 27 dB within 20 ms, and the sound after it is predicted from
//! that and needs 50 ms to recover. So its decoder is not told of a loss: it goes on with its memory, as under WebRTC's
//! NetEq.

/// 40 ms, in samples of each channel: two periods of the lowest voice and some.
const HISTORY: usize = 1920;
/// Periods of pitches from 400 Hz down to 67 Hz.
const SHORTEST: usize = 120;
const LONGEST: usize = 720;
/// The last 10 ms, which are searched for in the sound before them.
const COMPARED: usize = 480;
/// The search looks at every fourth sample.
const COARSE: usize = 4;
/// The order of the filter, as in CELT.
const ORDER: usize = 24;
/// The filter forgets this much with each sample, or it would ring.
const MEMORY: f32 = 0.996;
/// Two periods with less similarity are noise, those with more are a voice.
const UNVOICED: f32 = 0.3;
const VOICED: f32 = 0.8;
/// A shorter sound after a loss does not show what came before it (20 ms).
const ENOUGH: usize = 960;
/// The crossfade from the guess to the real sound, 5 ms.
const FADE: usize = 240;
/// The remaining share after each sample: nine tenths after 10 ms.
const DECAY: f32 = 0.999_78;

/// Remembers the last sound, and continues it.
#[derive(Debug)]
pub(super) struct Concealment {
    /// The samples of each channel, the latest last.
    history: Vec<Vec<f32>>,
    /// Exists while packets are missing.
    guess: Option<Guess>,
}

/// A voice that is continued.
#[derive(Debug)]
struct Guess {
    mouths: Vec<Mouth>,
    /// In samples.
    period: usize,
    /// The share of pulses, from 0 to 1.
    voicing: f32,
    /// Samples so far.
    position: usize,
    gain: f32,
    seed: u32,
}

/// The voice in one channel.
#[derive(Debug)]
struct Mouth {
    filter: [f32; ORDER],
    /// The last samples of the voice, the latest first.
    said: [f32; ORDER],
    /// The excitation that the filter turned into them, one period or more, the latest last.
    throat: Vec<f32>,
}

// === impl Concealment ===

impl Concealment {
    pub(super) fn new(channels: usize) -> Self {
        Self { history: vec![vec![0.0; HISTORY]; channels], guess: None }
    }

    /// Takes the decoded samples, interleaved. After a loss their beginning is blended with the guess.
    pub(super) fn heard(&mut self, samples: &mut [i16]) {
        if let Some(mut guess) = self.guess.take() {
            let channels = self.history.len();
            let fade = FADE.min(samples.len() / channels);
            for (at, frame) in samples.chunks_exact_mut(channels).take(fade).enumerate() {
                let real = (at as f32 + 0.5) / fade as f32;
                for (sample, guessed) in frame.iter_mut().zip(guess.next()) {
                    *sample = (f32::from(*sample) * real + guessed * (1.0 - real)) as i16;
                }
            }
        }
        self.remember(samples);
    }

    /// Fills `out`, interleaved, with a guess that goes on where the last one ended.
    pub(super) fn conceal(&mut self, out: &mut [i16]) {
        let guess = self.guess.get_or_insert_with(|| Guess::after(&self.history));
        for frame in out.chunks_exact_mut(self.history.len()) {
            frame.iter_mut().zip(guess.next()).for_each(|(sample, guessed)| *sample = guessed as i16);
        }
        self.remember(out);
    }

    /// Fills `gap` with a guess that leads from the sound before it to the sound after it.
    pub(super) fn bridge(&mut self, gap: &mut [i16], after: &mut [i16]) {
        let channels = self.history.len();
        if after.len() / channels < ENOUGH {
            self.conceal(gap);
            return self.heard(after);
        }
        let mut forward = self.guess.take().unwrap_or_else(|| Guess::after(&self.history));
        let mut backward = Guess::after(&reversed(after, channels));
        let length = (gap.len() / channels) as f32;
        let way = |at: usize| (at as f32 + 0.5) / length;
        gap.fill(0);
        for (at, frame) in gap.chunks_exact_mut(channels).enumerate() {
            add(frame, forward.next(), 1.0 - way(at));
        }
        for (at, frame) in gap.chunks_exact_mut(channels).enumerate().rev() {
            add(frame, backward.next(), way(at));
        }
        self.remember(gap);
        self.remember(after);
    }

    fn remember(&mut self, samples: &[i16]) {
        let channels = self.history.len();
        for (channel, history) in self.history.iter_mut().enumerate() {
            history.extend(samples.iter().skip(channel).step_by(channels).map(|sample| f32::from(*sample)));
            history.drain(..history.len() - HISTORY);
        }
    }
}

// === impl Guess ===

impl Guess {
    fn after(history: &[Vec<f32>]) -> Self {
        let mix: Vec<f32> = (0..HISTORY).map(|at| history.iter().map(|channel| channel[at]).sum()).collect();
        let (period, likeness) = pitch(&mix);
        Self {
            mouths: history.iter().map(|channel| Mouth::after(channel, period)).collect(),
            period,
            voicing: ((likeness - UNVOICED) / (VOICED - UNVOICED)).clamp(0.0, 1.0),
            position: 0,
            gain: 1.0,
            seed: 1,
        }
    }

    /// A sample of each channel.
    fn next(&mut self) -> impl Iterator<Item = f32> {
        let (pulses, noise) = (self.gain * self.voicing, self.gain * (1.0 - self.voicing.powi(2)).sqrt());
        let (period, position, random) = (self.period, self.position, self.random());
        self.gain *= DECAY;
        self.position += 1;
        let throat = move |mouth: &mut Mouth| {
            mouth.say(pulses * mouth.pulse(period, position) + noise * mouth.noise(random))
        };
        self.mouths.iter_mut().map(throat)
    }

    /// The high bits of the generator, since the low bits repeat soon.
    fn random(&mut self) -> usize {
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.seed >> 8) as usize
    }
}

// === impl Mouth ===

impl Mouth {
    fn after(history: &[f32], period: usize) -> Self {
        let filter = prediction(history);
        let predicted = |at: usize| -> f32 {
            filter.iter().zip(history[..at].iter().rev()).map(|(factor, said)| factor * said).sum()
        };
        let throat = (HISTORY - period.max(COMPARED)..HISTORY).map(|at| history[at] - predicted(at));
        let said = std::array::from_fn(|back| history[HISTORY - 1 - back]);
        Self { filter, said, throat: throat.collect() }
    }

    fn pulse(&self, period: usize, position: usize) -> f32 {
        self.throat[self.throat.len() - period + position % period]
    }

    /// A random part of the excitation, with a random sign.
    fn noise(&self, random: usize) -> f32 {
        let sample = self.throat[(random >> 1) % self.throat.len()];
        if random & 1 == 0 { sample } else { -sample }
    }

    fn say(&mut self, throat: f32) -> f32 {
        let sample = (throat + product(&self.filter, &self.said)).clamp(i16::MIN.into(), i16::MAX.into());
        self.said.copy_within(..ORDER - 1, 1);
        self.said[0] = sample;
        sample
    }
}

fn add(frame: &mut [i16], guess: impl Iterator<Item = f32>, gain: f32) {
    for (sample, guess) in frame.iter_mut().zip(guess) {
        *sample = sample.saturating_add((guess * gain) as i16);
    }
}

/// The beginning of the received sound, reversed, as the history of a guess backwards.
fn reversed(heard: &[i16], channels: usize) -> Vec<Vec<f32>> {
    let reversed = |channel| {
        let samples = heard.iter().skip(channel).step_by(channels).take(HISTORY);
        let mut history: Vec<f32> = samples.map(|sample| f32::from(*sample)).collect();
        history.resize(HISTORY, 0.0);
        history.reverse();
        history
    };
    (0..channels).map(reversed).collect()
}

/// The period with the greatest similarity of the signal's end to the part before it, and that similarity, from -1 to
/// 1.
fn pitch(signal: &[f32]) -> (usize, f32) {
    let coarse: Vec<f32> = signal.chunks_exact(COARSE).map(|four| four.iter().sum()).collect();
    let (period, _) = best_period(&coarse, SHORTEST / COARSE..=LONGEST / COARSE, COMPARED / COARSE);
    let period = period * COARSE;
    best_period(signal, (period - COARSE).max(SHORTEST)..=(period + COARSE).min(LONGEST), COMPARED)
}

fn best_period(signal: &[f32], periods: std::ops::RangeInclusive<usize>, compared: usize) -> (usize, f32) {
    let longest = *periods.end();
    let likenesses = periods.map(|period| (period, likeness(signal, period, compared)));
    likenesses.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((longest, 0.0))
}

/// The correlation of the last samples with those one period before.
fn likeness(signal: &[f32], period: usize, compared: usize) -> f32 {
    let end = signal.len();
    let (last, before) = (&signal[end - compared..], &signal[end - compared - period..end - period]);
    // The addend prevents a division by zero for silence.
    product(last, before) / (product(last, last) * product(before, before) + 1.0).sqrt()
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The filter that predicts a sample from those before it, the latest first: linear prediction by the method of
/// Levinson and Durbin, which always yields a stable one.
fn prediction(signal: &[f32]) -> [f32; ORDER] {
    let weighted: Vec<f32> = signal.iter().enumerate().map(|(at, sample)| sample * weight(at)).collect();
    let mut correlation: [f32; ORDER + 1] =
        std::array::from_fn(|lag| product(&weighted[lag..], &weighted[..weighted.len() - lag]));
    // A little noise at all frequencies, without which a pure tone makes the filter too sharp.
    correlation[0] = correlation[0] * 1.0001 + 1.0;
    let (mut filter, mut error) = ([0.0_f32; ORDER], correlation[0]);
    for order in 0..ORDER {
        let predicted: f32 = (0..order).map(|at| filter[at] * correlation[order - at]).sum();
        let reflection = (correlation[order + 1] - predicted) / error;
        let before = filter;
        (0..order).for_each(|at| filter[at] -= reflection * before[order - 1 - at]);
        filter[order] = reflection;
        error *= 1.0 - reflection * reflection;
    }
    let mut memory = 1.0;
    filter.map(|factor| {
        memory *= MEMORY;
        factor * memory
    })
}

/// Later samples count more, except for the last millisecond, in which the signal fades out.
fn weight(at: usize) -> f32 {
    const FADES: usize = 48;
    let rise = (std::f32::consts::FRAC_PI_2 * (at as f32 + 0.5) / HISTORY as f32).sin();
    rise * ((HISTORY - at) as f32 / FADES as f32).min(1.0)
}

#[cfg(test)]
mod tests {
    use crate::audio::sounds::{noise, rms};

    use super::*;

    fn after(said: &[i16], channels: usize, missing: usize) -> (Concealment, Vec<i16>) {
        let mut concealment = Concealment::new(channels);
        concealment.heard(&mut said.to_vec());
        let mut guessed = vec![0; missing * channels];
        guessed.chunks_mut(120 * channels).for_each(|part| concealment.conceal(part));
        (concealment, guessed)
    }

    /// Interleaved tones, with a different pitch in each channel.
    fn tones(samples: usize, hertz: &[f32]) -> Vec<i16> {
        let angle = |at: usize, hertz: f32| at as f32 * hertz * std::f32::consts::TAU / 48_000.0;
        (0..samples)
            .flat_map(|at| hertz.iter().map(move |hertz| (angle(at, *hertz).sin() * 9000.0) as i16))
            .collect()
    }

    #[test]
    fn a_tone_goes_on_in_step_and_so_does_that_of_the_other_channel() {
        for hertz in [&[150.0][..], &[233.3], &[200.0, 400.0]] {
            let whole = tones(4000, hertz);
            let (said, missing) = whole.split_at(3000 * hertz.len());
            let (_, guessed) = after(said, hertz.len(), 960);
            let off: Vec<i16> = missing.iter().zip(&guessed).map(|(was, is)| was - is).collect();
            let (off, was) = (rms(&off[..480 * hertz.len()]), rms(missing));
            assert!(off < was / 3.0, "{hertz:?}: off by {off} of {was}");
        }
    }

    #[test]
    fn noise_stays_noise_of_the_same_loudness_and_without_a_pitch() {
        let said = noise(4800, 9);
        let (_, guessed) = after(&said, 1, 960);
        let (is, was) = (rms(&guessed), rms(&said));
        assert!((0.6..1.1).contains(&(is / was)), "{is} after {was}");
        let mut both = said;
        both.extend(guessed);
        let both: Vec<f32> = both.into_iter().map(f32::from).collect();
        assert!(pitch(&both[both.len() - HISTORY..]).1 < 0.6);
    }

    /// The concealment between two sounds, 20 ms.
    fn between(before: &[i16], after: &[i16], channels: usize) -> Vec<i16> {
        let mut concealment = Concealment::new(channels);
        concealment.heard(&mut before.to_vec());
        let mut gap = vec![0; 960 * channels];
        concealment.bridge(&mut gap, &mut after.to_vec());
        gap
    }

    #[test]
    fn a_bridge_is_in_step_with_both_its_ends_in_each_channel() {
        for hertz in [&[150.0][..], &[233.3], &[200.0, 400.0]] {
            let whole = tones(5000, hertz);
            let channel = |at: usize| at * hertz.len();
            let (before, missing, after) =
                (&whole[..channel(3000)], &whole[channel(3000)..channel(3960)], &whole[channel(3960)..]);
            let off: Vec<i16> =
                missing.iter().zip(between(before, after, hertz.len())).map(|(was, is)| was - is).collect();
            let was = rms(missing);
            for (part, off) in ["first", "second", "third"].into_iter().zip(off.chunks(channel(320))) {
                assert!(rms(off) < was / 3.0, "{hertz:?}, {part} third: off by {} of {was}", rms(off));
            }
        }
    }

    #[test]
    fn a_bridge_leads_from_loud_to_soft_and_from_silence_to_a_voice() {
        let tone = tones(3000, &[180.0]);
        let soft: Vec<i16> = tone.iter().map(|sample| sample / 10).collect();
        let gap = between(&tone, &soft, 1);
        let (begin, end) = (rms(&gap[..240]), rms(&gap[720..]));
        assert!(begin > rms(&tone) / 2.0 && end < begin / 3.0, "from {begin} to {end}");
        let gap = between(&[0; 3000], &tone, 1);
        assert!(rms(&gap[..240]) < rms(&gap[720..]) / 2.0);
    }

    #[test]
    fn what_is_too_short_to_be_read_backwards_is_blended_with_the_guess() {
        let whole = tones(6000, &[180.0]);
        let (mut concealment, guessed) = after(&whole[..3000], 1, 480);
        let mut gap = [0; 480];
        concealment.bridge(&mut gap, &mut whole[3960..4080].to_vec());
        let (_, longer) = after(&whole[..3000], 1, 960);
        assert_eq!([&guessed[..], &gap].concat(), longer);
    }

    #[test]
    fn a_guess_fades_and_silence_stays_silent() {
        let (_, guessed) = after(&tones(3000, &[200.0]), 1, 9600);
        assert!(rms(&guessed[9000..]) < rms(&guessed[..600]) / 4.0);
        let (_, guessed) = after(&[0; 3000], 1, 960);
        assert_eq!(guessed, [0; 960]);
        let (_, guessed) = after(&[], 2, 960);
        assert_eq!(guessed, [0; 1920]);
    }

    #[test]
    fn what_is_heard_again_does_not_click() {
        let whole = tones(6000, &[180.0]);
        for packet in [120, 960] {
            let (mut concealment, guessed) = after(&whole[..3000], 1, 960);
            // The voice has moved on by half a period meanwhile.
            let mut again = whole[3960 + 133..5000].to_vec();
            again.chunks_mut(packet).for_each(|packet| concealment.heard(packet));
            let heard: Vec<i16> = whole[..3000].iter().chain(&guessed).chain(&again).copied().collect();
            let steps = heard.windows(2).map(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs());
            assert!(steps.max() < Some(400), "a tone of 180 Hz has steps of 212 at most");
            assert_eq!(again[FADE..], whole[3960 + 133 + FADE..5000], "what is heard later is as it was");
        }
    }

    #[test]
    fn the_loudest_square_wave_neither_overflows_nor_grows() {
        let square: Vec<i16> =
            (0..4000).map(|at| if at / 97 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let (mut concealment, guessed) = after(&square, 1, 5760);
        assert!(rms(&guessed[4800..]) <= rms(&square));
        concealment.heard(&mut square[..100].to_vec());
        concealment.conceal(&mut [0; 120]);
        concealment.bridge(&mut [0; 960], &mut square[..960].to_vec());
    }
}
