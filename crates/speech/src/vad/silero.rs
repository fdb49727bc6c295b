//! Silero VAD's forward pass: the probability that 32 ms of sound are speech.
//!
//! A spectrum of four overlapping quarters, four convolutions, a recurrent cell and one output
//! (`silero_vad/tinygrad_model.py` of the wheel that the weights are from). It equals the published ONNX model within
//! 1e-5 (`tests/hearing/silero.rs`), allocates nothing after [`Silero::new`], and is safe Rust that the compiler vectorises.

use std::array;
use std::sync::LazyLock;

use super::spectrum::{SAMPLES, Transform};
use super::weights::{BINS, Convolution, GATE_LANES, GATES, HIDDEN, LANES, WEIGHTS, Weights};

/// The samples of a window at 16 kHz.
pub const WINDOW: usize = 512;
/// The samples before a window that are part of its input.
const CONTEXT: usize = 64;
/// How far spectra are apart.
const HOP: usize = 128;
/// The spectra of one window.
const SPECTRA: usize = 4;
const INPUT: usize = CONTEXT + WINDOW + CONTEXT;
/// The windows of silence after which the memory changes no more.
const SETTLING: usize = 94;

/// The memory after silence: hidden values and cell.
static SETTLED: LazyLock<[[f32; HIDDEN]; 2]> = LazyLock::new(|| {
    let mut model = Silero::new();
    (0..SETTLING).for_each(|_| _ = model.probability(&[0.0; WINDOW]));
    [model.hidden, model.cell]
});

/// The model with the memory of one stream.
pub struct Silero {
    weights: &'static Weights,
    transform: Transform,
    hann: [f32; SAMPLES],
    context: [f32; CONTEXT],
    hidden: [f32; HIDDEN],
    cell: [f32; HIDDEN],
    scratch: Box<Scratch>,
}

/// What a pass works in.
struct Scratch {
    input: [f32; INPUT],
    windowed: [f32; SAMPLES],
    /// Values over time with a zero before and behind, for each channel.
    magnitudes: [[f32; SPECTRA + 2]; BINS],
    first: [[f32; SPECTRA + 2]; 128],
    second: [[f32; 4]; 64],
    third: [[f32; 3]; 64],
    fourth: [[f32; 3]; HIDDEN],
    cell_input: [f32; 2 * HIDDEN],
    gates: [f32; GATES],
}

// === impl Silero ===

impl Silero {
    pub fn new() -> Self {
        let turn = |at: usize| std::f32::consts::TAU * at as f32 / SAMPLES as f32;
        Self {
            weights: &WEIGHTS,
            scratch: Box::new(Scratch::new()),
            transform: Transform::new(),
            hann: array::from_fn(|at| 0.5 - 0.5 * turn(at).cos()),
            context: [0.0; CONTEXT],
            hidden: [0.0; HIDDEN],
            cell: [0.0; HIDDEN],
        }
    }

    /// Forgets what was heard, as if it had been silence for long. A new model, which has heard nothing at all, takes
    /// its time: it misses a short word at once.
    pub fn settle(&mut self) {
        self.context = [0.0; CONTEXT];
        [self.hidden, self.cell] = *SETTLED;
    }

    /// The probability that this window, which follows the one before, is speech. Samples are in -1..1.
    pub fn probability(&mut self, window: &[f32; WINDOW]) -> f32 {
        self.fill_input(window);
        self.spectra();
        self.encode();
        self.advance_cell();
        let terms =
            self.weights.output.iter().zip(&self.hidden).map(|(weight, value)| weight * value.max(0.0));
        sigmoid(self.weights.output_bias + terms.sum::<f32>())
    }

    fn fill_input(&mut self, window: &[f32; WINDOW]) {
        let input = &mut self.scratch.input;
        input[..CONTEXT].copy_from_slice(&self.context);
        input[CONTEXT..CONTEXT + WINDOW].copy_from_slice(window);
        // The end is mirrored, without its last sample.
        for at in 0..CONTEXT {
            input[CONTEXT + WINDOW + at] = window[WINDOW - 2 - at];
        }
        self.context.copy_from_slice(&window[WINDOW - CONTEXT..]);
    }

    fn spectra(&mut self) {
        let Scratch { input, windowed, magnitudes, .. } = &mut *self.scratch;
        for time in 0..SPECTRA {
            let quarter = &input[time * HOP..][..SAMPLES];
            for (to, (sample, weight)) in windowed.iter_mut().zip(quarter.iter().zip(&self.hann)) {
                *to = sample * weight;
            }
            for (channel, value) in magnitudes.iter_mut().zip(self.transform.magnitudes(windowed)) {
                channel[time + 1] = value;
            }
        }
    }

    fn encode(&mut self) {
        let [first, second, third, fourth] = &self.weights.encoder;
        let scratch = &mut *self.scratch;
        convolve::<6, 4, 1, 6>(first, &scratch.magnitudes, &mut scratch.first);
        convolve::<6, 2, 2, 4>(second, &scratch.first, &mut scratch.second);
        convolve::<4, 1, 2, 3>(third, &scratch.second, &mut scratch.third);
        convolve::<3, 1, 1, 3>(fourth, &scratch.third, &mut scratch.fourth);
    }

    fn advance_cell(&mut self) {
        let Scratch { fourth, cell_input, gates, .. } = &mut *self.scratch;
        let (input, hidden) = cell_input.split_at_mut(HIDDEN);
        input.iter_mut().zip(&*fourth).for_each(|(to, channel)| *to = channel[1]);
        hidden.copy_from_slice(&self.hidden);
        multiply(self.weights, cell_input, gates);
        for at in 0..HIDDEN {
            let [input, forget, new, output] = array::from_fn(|gate| gates[gate * HIDDEN + at]);
            self.cell[at] = sigmoid(forget) * self.cell[at] + sigmoid(input) * new.tanh();
            self.hidden[at] = sigmoid(output) * self.cell[at].tanh();
        }
    }
}

impl Default for Silero {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    fn new() -> Self {
        Self {
            input: [0.0; INPUT],
            windowed: [0.0; SAMPLES],
            magnitudes: [[0.0; SPECTRA + 2]; BINS],
            first: [[0.0; SPECTRA + 2]; 128],
            second: [[0.0; 4]; 64],
            third: [[0.0; 3]; 64],
            fourth: [[0.0; 3]; HIDDEN],
            cell_input: [0.0; 2 * HIDDEN],
            gates: [0.0; GATES],
        }
    }
}

/// `TO` values over time for each output, from `FROM` padded ones for each input; negative ones become zero. They are
/// written behind the padding of `outputs`.
fn convolve<const FROM: usize, const TO: usize, const STRIDE: usize, const PADDED: usize>(
    layer: &Convolution,
    inputs: &[[f32; FROM]],
    outputs: &mut [[f32; PADDED]],
) {
    let blocks = layer.rows.chunks_exact(3 * inputs.len());
    for ((rows, bias), outputs) in
        blocks.zip(layer.bias.chunks_exact(LANES)).zip(outputs.chunks_exact_mut(LANES))
    {
        let mut sums = [[0.0; LANES]; TO];
        for (taps, input) in rows.chunks_exact(3).zip(inputs) {
            for (tap, row) in taps.iter().enumerate() {
                for (time, sums) in sums.iter_mut().enumerate() {
                    add(sums, row, input[time * STRIDE + tap]);
                }
            }
        }
        for (lane, output) in outputs.iter_mut().enumerate() {
            for (time, sums) in sums.iter().enumerate() {
                output[time + 1] = (sums[lane] + bias[lane]).max(0.0);
            }
        }
    }
}

/// The gates of the cell from its input and its hidden values.
fn multiply(weights: &Weights, input: &[f32; 2 * HIDDEN], gates: &mut [f32; GATES]) {
    let blocks = weights.cell.chunks_exact(2 * HIDDEN).zip(weights.cell_bias.chunks_exact(GATE_LANES));
    for ((rows, bias), gates) in blocks.zip(gates.chunks_exact_mut(GATE_LANES)) {
        let mut sums = [0.0; GATE_LANES];
        for (row, value) in rows.iter().zip(input) {
            add(&mut sums, row, *value);
        }
        gates.iter_mut().zip(sums.iter().zip(bias)).for_each(|(gate, (sum, bias))| *gate = sum + bias);
    }
}

#[inline(always)]
fn add<const N: usize>(sums: &mut [f32; N], row: &[f32; N], value: f32) {
    for (sum, weight) in sums.iter_mut().zip(row) {
        *sum += weight * value;
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}
