//! Lengths of time for people.

/// A length as people say it: milliseconds below a second, seconds below two minutes, then minutes and hours.
pub fn length(us: i64) -> String {
    let seconds = us.max(0) as f64 / 1e6;
    match seconds {
        0.0..0.01 => format!("{:.1} ms", seconds * 1e3),
        0.01..0.9995 => format!("{:.0} ms", seconds * 1e3),
        0.9995..119.95 => format!("{seconds:.1} s"),
        119.95..5_999.5 => {
            format!("{} min {:02} s", seconds.round() as u64 / 60, seconds.round() as u64 % 60)
        }
        _ => format!("{} h {:02} min", seconds.round() as u64 / 3600, seconds.round() as u64 / 60 % 60),
    }
}

pub fn length_or_dash(us: Option<i64>) -> String {
    us.map_or("–".to_owned(), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_well_at_every_scale() {
        let us =
            [0, 4_200, 412_000, 999_800, 1_250_000, 119_940_000, 119_960_000, 312_000_000, 7_260_000_000];
        let said = [
            "0.0 ms",
            "4.2 ms",
            "412 ms",
            "1.0 s",
            "1.2 s",
            "119.9 s",
            "2 min 00 s",
            "5 min 12 s",
            "2 h 01 min",
        ];
        assert_eq!(us.map(length), said);
    }
}
