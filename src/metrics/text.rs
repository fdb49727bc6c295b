//! Prometheus' text exposition format, version 0.0.4.

use std::fmt::{self, Write};

use super::catalogue::{Definition, Kind};

/// One metric with all its series.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) definition: &'static Definition,
    pub(super) series: Vec<Series>,
}

#[derive(Debug)]
pub(super) struct Series {
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Number(f64),
    Histogram {
        /// The number of values in each bucket and in no lower one; the last bucket has no bound.
        counts: Vec<u64>,
        sum: f64,
    },
}

/// A label of a line, besides those of its series.
type Extra<'a> = Option<(&'a str, &'a str)>;

pub(super) fn render(families: &[Family]) -> String {
    let mut families: Vec<&Family> = families.iter().filter(|family| !family.series.is_empty()).collect();
    families.sort_by_key(|family| family.definition.text_name);
    let mut text = String::new();
    for family in families {
        // Writing into a String cannot fail.
        let _ = family.write(&mut text);
    }
    text
}

// === impl Family ===

impl Family {
    fn write(&self, text: &mut String) -> fmt::Result {
        let Definition { text_name: name, kind, help, .. } = self.definition;
        writeln!(text, "# HELP {name} {}", help.replace('\\', "\\\\").replace('\n', "\\n"))?;
        writeln!(text, "# TYPE {name} {}", kind.name())?;
        for series in &self.series {
            match (&series.value, kind) {
                (Value::Number(number), _) => line(text, name, &series.labels, None, *number)?,
                (Value::Histogram { counts, sum }, Kind::Histogram(bounds)) => {
                    series.histogram(text, name, bounds, counts, *sum)?;
                }
                (Value::Histogram { .. }, _) => {}
            }
        }
        Ok(())
    }
}

// === impl Series ===

impl Series {
    fn histogram(
        &self,
        text: &mut String,
        name: &str,
        bounds: &[f64],
        counts: &[u64],
        sum: f64,
    ) -> fmt::Result {
        let mut below = 0;
        let bounds = bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(counts) {
            below += count;
            line(text, &format!("{name}_bucket"), &self.labels, Some(("le", &bound)), below as f64)?;
        }
        line(text, &format!("{name}_sum"), &self.labels, None, sum)?;
        line(text, &format!("{name}_count"), &self.labels, None, below as f64)
    }
}

// === impl Kind ===

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

fn line(
    text: &mut String,
    name: &str,
    labels: &[(String, String)],
    extra: Extra<'_>,
    value: f64,
) -> fmt::Result {
    text.push_str(name);
    let labels = labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).chain(extra);
    for (index, (key, value)) in labels.clone().enumerate() {
        let before = if index == 0 { '{' } else { ',' };
        write!(text, "{before}{}=\"{}\"", label_name(key), escaped(value))?;
    }
    if labels.count() > 0 {
        text.push('}');
    }
    writeln!(text, " {value}")
}

/// `gen_ai.request.model` is no name for Prometheus.
fn label_name(key: &str) -> String {
    key.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_")
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalogue::{DISPATCH_ANSWER, TURNS};

    fn series(labels: &[(&str, &str)], value: Value) -> Series {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Series { labels, value }
    }

    #[test]
    fn a_family_has_help_type_and_a_line_for_each_series() {
        let answered = series(&[("outcome", "answered")], Value::Number(3.0));
        let strange = series(&[("a.b", "x\"y\\z\n")], Value::Number(0.5));
        let text = render(&[Family { definition: &TURNS, series: vec![answered, strange] }]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("# HELP voiced_turns_total Turns that ended"), "{text}");
        assert_eq!(lines[1], "# TYPE voiced_turns_total counter");
        assert_eq!(lines[2], r#"voiced_turns_total{outcome="answered"} 3"#);
        assert_eq!(lines[3], r#"voiced_turns_total{a_b="x\"y\\z\n"} 0.5"#);
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn the_buckets_of_a_histogram_add_up() {
        let mut counts = vec![0; 13];
        (counts[1], counts[2], counts[12]) = (2, 1, 1);
        let histogram = series(&[("answer", "taken")], Value::Histogram { counts, sum: 4.25 });
        let text = render(&[Family { definition: &DISPATCH_ANSWER, series: vec![histogram] }]);
        let name = "voiced_worker_dispatch_answer_seconds";
        for expected in [
            r#"_bucket{answer="taken",le="0.0005"} 0"#,
            r#"_bucket{answer="taken",le="0.001"} 2"#,
            r#"_bucket{answer="taken",le="0.0025"} 3"#,
            r#"_bucket{answer="taken",le="3"} 3"#,
            r#"_bucket{answer="taken",le="+Inf"} 4"#,
            r#"_sum{answer="taken"} 4.25"#,
            r#"_count{answer="taken"} 4"#,
        ] {
            assert!(text.contains(&format!("\n{name}{expected}\n")), "{expected} is missing in {text}");
        }
    }

    #[test]
    fn a_metric_without_series_is_left_out() {
        assert_eq!(render(&[Family { definition: &TURNS, series: Vec::new() }]), "");
    }
}
