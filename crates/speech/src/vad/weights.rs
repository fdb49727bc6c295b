//! The weights of Silero VAD, in the order in which the forward pass reads them.
//!
//! The file is made of the published one (`weights/README.md`). [`Weights`] are made of it once for the process and
//! shared by all sessions.

use std::sync::LazyLock;

/// The width of the hidden layer.
pub(super) const HIDDEN: usize = 128;
/// The frequencies of a spectrum of 256 samples.
pub(super) const BINS: usize = 129;
/// The gates of the recurrent cell: input, forget, cell, output.
pub(super) const GATES: usize = 4 * HIDDEN;

static FILE: &[u8] = include_bytes!("../../weights/silero_vad_16k.f32");

/// Made at the first use: 1 MB.
pub(super) static WEIGHTS: LazyLock<Weights> = LazyLock::new(|| Weights::read(FILE));

/// How many outputs of a convolution are computed side by side.
pub(super) const LANES: usize = 8;
/// How many gates of the cell are computed side by side.
pub(super) const GATE_LANES: usize = 32;

pub(super) struct Weights {
    pub(super) encoder: [Convolution; 4],
    /// Blocks of [`GATE_LANES`] gates; in a block a row for each of 128 inputs and 128 hidden values.
    pub(super) cell: Vec<[f32; GATE_LANES]>,
    pub(super) cell_bias: Vec<f32>,
    pub(super) output: Vec<f32>,
    pub(super) output_bias: f32,
}

/// A convolution over time with a kernel of three.
pub(super) struct Convolution {
    /// Blocks of [`LANES`] outputs; in a block three rows for each input.
    pub(super) rows: Vec<[f32; LANES]>,
    pub(super) bias: Vec<f32>,
}

// === impl Weights ===

impl Weights {
    fn read(file: &[u8]) -> Self {
        let mut tensors = Tensors { rest: file };
        let encoder = [(128, BINS), (64, 128), (64, 64), (128, 64)]
            .map(|(outputs, inputs)| Convolution::read(&mut tensors, outputs, inputs));
        let (input, hidden) = (tensors.take(GATES * HIDDEN), tensors.take(GATES * HIDDEN));
        let (input_bias, hidden_bias) = (tensors.take(GATES), tensors.take(GATES));
        Self {
            encoder,
            cell: cell_blocks(&input, &hidden),
            cell_bias: input_bias.iter().zip(&hidden_bias).map(|(input, hidden)| input + hidden).collect(),
            output: tensors.take(HIDDEN),
            output_bias: tensors.take(1)[0],
        }
    }
}

impl Convolution {
    fn read(tensors: &mut Tensors<'_>, outputs: usize, inputs: usize) -> Self {
        let weights = tensors.take(outputs * inputs * 3);
        let mut rows = Vec::with_capacity(outputs / LANES * inputs * 3);
        for block in 0..outputs / LANES {
            for row in 0..inputs * 3 {
                rows.push(std::array::from_fn(|lane| weights[(block * LANES + lane) * inputs * 3 + row]));
            }
        }
        Self { rows, bias: tensors.take(outputs) }
    }
}

fn cell_blocks(input: &[f32], hidden: &[f32]) -> Vec<[f32; GATE_LANES]> {
    let mut rows = Vec::with_capacity(GATES / GATE_LANES * 2 * HIDDEN);
    for block in 0..GATES / GATE_LANES {
        for weights in [input, hidden] {
            for row in 0..HIDDEN {
                rows.push(std::array::from_fn(|lane| weights[(block * GATE_LANES + lane) * HIDDEN + row]));
            }
        }
    }
    rows
}

/// The tensors of the file, one after the other.
struct Tensors<'a> {
    rest: &'a [u8],
}

impl Tensors<'_> {
    fn take(&mut self, count: usize) -> Vec<f32> {
        let (taken, rest) = self.rest.split_at(4 * count);
        self.rest = rest;
        taken.chunks_exact(4).map(|four| f32::from_le_bytes(std::array::from_fn(|at| four[at]))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_read_the_whole_file() {
        let convolutions = (128 * 129 + 64 * 128 + 64 * 64 + 128 * 64) * 3 + 128 + 64 + 64 + 128;
        assert_eq!(FILE.len(), 4 * (convolutions + 2 * GATES * (HIDDEN + 1) + HIDDEN + 1));
        let weights = &*WEIGHTS;
        assert_eq!(weights.cell.len() * GATE_LANES, 2 * GATES * HIDDEN);
        assert!(weights.output_bias.is_finite() && weights.output.iter().all(|weight| weight.abs() < 10.0));
    }
}
