//! Counts sounds that the model took for speech and that did not count: too short, too quiet, or struck.

/// How many sounds were passed over. One ends with as much silence as speech does.
#[derive(Default)]
pub(super) struct PassedOver {
    count: u64,
    /// A sound like speech is under way.
    is_open: bool,
    /// The windows since the last one of it.
    silent: u32,
}

/// What a window is, for the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    /// Speech, for the model alone.
    LikeSpeech,
    /// It belongs to speech that counts.
    Counted,
    Silence,
}

// === impl PassedOver ===

impl PassedOver {
    /// `gap` is how many silent windows end a sound.
    pub(super) fn hear(&mut self, window: Window, gap: u32) {
        match window {
            Window::Counted => self.is_open = false,
            Window::LikeSpeech => (self.is_open, self.silent) = (true, 0),
            Window::Silence if self.is_open => {
                self.silent += 1;
                if self.silent >= gap {
                    self.is_open = false;
                    self.count += 1;
                }
            }
            Window::Silence => {}
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::Window::{Counted, LikeSpeech, Silence};
    use super::*;

    fn counted(windows: &[(Window, usize)]) -> u64 {
        let mut passed = PassedOver::default();
        let windows = windows.iter().flat_map(|(window, times)| std::iter::repeat_n(*window, *times));
        windows.for_each(|window| passed.hear(window, 8));
        passed.count()
    }

    #[test]
    fn a_sound_counts_once_it_is_silent_and_once_only() {
        assert_eq!(counted(&[(LikeSpeech, 2), (Silence, 7)]), 0);
        assert_eq!(counted(&[(LikeSpeech, 2), (Silence, 7), (LikeSpeech, 1), (Silence, 50)]), 1);
        assert_eq!(counted(&[(LikeSpeech, 2), (Silence, 8), (LikeSpeech, 1), (Silence, 8)]), 2);
    }

    #[test]
    fn what_becomes_speech_is_not_passed_over() {
        assert_eq!(counted(&[(LikeSpeech, 2), (Counted, 20), (Silence, 50)]), 0);
    }
}
