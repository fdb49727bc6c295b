//! Output for the user: one line a step, colour only where it is wanted.

use std::fmt::Display;
use std::io::{IsTerminal, stdout};
use std::time::Duration;

const DEFAULT_WIDTH: usize = 100;

/// The looks of standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    colour: bool,
    width: usize,
}

/// The meaning of a piece of text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    Strong,
    Faint,
    Good,
    Bad,
    Accent,
}

impl Terminal {
    /// Colours only on a terminal and without `NO_COLOR`.
    pub(crate) fn detect() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = terminal_size::terminal_size().map_or(DEFAULT_WIDTH, |(width, _)| usize::from(width.0));
        Self { colour: wanted && stdout().is_terminal(), width }
    }

    #[cfg(test)]
    pub(crate) fn plain(width: usize) -> Self {
        Self { colour: false, width }
    }

    #[cfg(test)]
    pub(crate) fn colourful(width: usize) -> Self {
        Self { colour: true, width }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn paint(&self, style: Style, text: impl Display) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", style.code()) } else { text.to_string() }
    }

    /// Prints one step.
    pub(crate) fn step(&self, text: impl Display) {
        println!("{} {text}", self.paint(Style::Accent, "▸"));
    }

    /// Prints a heading above the following steps.
    pub(crate) fn heading(&self, text: impl Display) {
        println!("\n{}", self.paint(Style::Strong, text));
    }

    /// How long a step took, for the end of its line.
    pub(crate) fn took(&self, time: Duration) -> String {
        self.paint(Style::Faint, format!("({})", duration(time)))
    }

    /// Also the part of the time for which a processor was busy.
    pub(crate) fn took_of(&self, time: Duration, processor: Duration) -> String {
        let (time, processor) = (duration(time), duration(processor));
        self.paint(Style::Faint, format!("({time}, {processor} of processor time)"))
    }
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Accent => "36",
        }
    }
}

/// A duration as people write it: milliseconds below a second, seconds below two minutes, then minutes.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        0.0..0.001 => format!("{:.2} ms", seconds * 1e3),
        0.001..0.01 => format!("{:.1} ms", seconds * 1e3),
        0.01..1.0 => format!("{:.0} ms", seconds * 1e3),
        1.0..120.0 => format!("{seconds:.1} s"),
        _ => format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well_at_every_scale() {
        let said = [83e-6, 0.0042, 0.412, 1.25, 61.0, 312.0].map(|it| duration(Duration::from_secs_f64(it)));
        assert_eq!(said, ["0.08 ms", "4.2 ms", "412 ms", "1.2 s", "61.0 s", "5 min 12 s"]);
    }

    #[test]
    fn without_colour_text_stays_as_it_is() {
        assert_eq!(Terminal::plain(80).paint(Style::Bad, "no"), "no");
        assert_eq!(Terminal::colourful(80).paint(Style::Bad, "no"), "\x1b[31mno\x1b[0m");
    }
}
