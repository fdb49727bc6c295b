//! The detector on sound: against the published model, on speech of a synthesiser, and on all that is no speech.

#![allow(clippy::unwrap_used, reason = "helpers of tests are no tests to clippy")]

mod babble;
mod gaps;
mod silero;
mod sound;
mod steps;
mod telephone;
mod unspoken;
mod voice;
