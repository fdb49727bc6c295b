//! Echo cancellation, gain control and noise suppression, none of which is implemented.

use crate::{RtcError, unsupported::Unsupported};

/// A processor that refuses to process, because passing audio through would present it as clean.
pub struct AudioProcessingModule(());

impl AudioProcessingModule {
    /// A processor for the selected functions.
    pub fn new(
        _echo_canceller_enabled: bool,
        _gain_controller_enabled: bool,
        _high_pass_filter_enabled: bool,
        _noise_suppression_enabled: bool,
    ) -> Self {
        Self(())
    }

    /// # Errors
    /// Always: audio processing is not implemented. The samples are left as they are.
    pub fn process_stream(
        &mut self,
        _data: &mut [i16],
        _sample_rate: i32,
        _num_channels: i32,
    ) -> Result<(), RtcError> {
        Err(Unsupported::AudioProcessing.error())
    }

    /// # Errors
    /// Always: audio processing is not implemented. The samples are left as they are.
    pub fn process_reverse_stream(
        &mut self,
        _data: &mut [i16],
        _sample_rate: i32,
        _num_channels: i32,
    ) -> Result<(), RtcError> {
        Err(Unsupported::AudioProcessing.error())
    }

    /// # Errors
    /// Always: audio processing is not implemented.
    pub fn set_stream_delay_ms(&mut self, _delay_ms: i32) -> Result<(), RtcError> {
        Err(Unsupported::AudioProcessing.error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_is_refused_and_left_as_it_is() {
        let mut module = AudioProcessingModule::new(true, true, true, true);
        let mut data = [1i16; 480];
        let refusals = [
            module.process_stream(&mut data, 48_000, 1),
            module.process_reverse_stream(&mut data, 48_000, 1),
            module.set_stream_delay_ms(20),
        ];
        for refusal in refusals {
            let message = refusal.unwrap_err().to_string();
            assert!(message.contains("process the samples before"), "{message}");
        }
        assert_eq!(data, [1; 480]);
    }
}
