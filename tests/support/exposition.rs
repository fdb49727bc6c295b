//! Prometheus' text exposition format, version 0.0.4, read as strictly as its description allows.

use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Labels = BTreeMap<String, String>;

/// The content of one scrape.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<(String, Labels), f64>,
}

impl Exposition {
    /// Refuses, with the line, all text that a scraper would not understand or would misread.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut exposition = Self::default();
        let mut helped: Option<String> = None;
        let mut family = String::new();
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        for line in text.lines() {
            let refuse = |why: &str| Err(format!("{why}: {line}"));
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let Some((name, help)) = rest.split_once(' ') else { return refuse("no help") };
                if help.trim().is_empty() || !is_name(name) {
                    return refuse("no help or no name");
                }
                helped = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let Some((name, kind)) = rest.split_once(' ') else { return refuse("no type") };
                if helped.take().as_deref() != Some(name) {
                    return refuse("a type without its help before it");
                }
                if !["counter", "gauge", "histogram"].contains(&kind) {
                    return refuse("an unknown type");
                }
                if exposition.kinds.insert(name.to_owned(), kind.to_owned()).is_some() {
                    return refuse("a family in two groups");
                }
                name.clone_into(&mut family);
            } else {
                let (name, labels, value) = sample(line).map_err(|why| format!("{why}: {line}"))?;
                let kind = exposition.kinds.get(&family).map_or("", String::as_str);
                if !belongs(&name, &family, kind) {
                    return refuse("a sample outside of its family");
                }
                if kind == "counter" && !(family.ends_with("_total") && value >= 0.0) {
                    return refuse("a counter without _total, or below zero");
                }
                if exposition.samples.insert((name, labels), value).is_some() {
                    return refuse("the same series twice");
                }
            }
        }
        exposition.check_histograms()?;
        Ok(exposition)
    }

    /// The sum over the series of `name` that have these labels, whatever other labels they have; `None` when there is
    /// none.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has =
            |of: &Labels| labels.iter().all(|(key, value)| of.get(*key).is_some_and(|have| have == value));
        let found = self.samples.iter().filter(|((of, with), _)| of == name && has(with));
        found.map(|(_, value)| *value).reduce(|one, other| one + other)
    }

    pub(crate) fn series(&self) -> usize {
        self.samples.len()
    }

    /// Every value that any label has.
    pub(crate) fn label_values(&self) -> BTreeSet<&str> {
        self.samples.keys().flat_map(|(_, labels)| labels.values().map(String::as_str)).collect()
    }

    fn check_histograms(&self) -> Result<(), String> {
        for family in self.kinds.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
            let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for ((name, labels), value) in &self.samples {
                if *name == format!("{family}_bucket") {
                    let mut labels = labels.clone();
                    let bound = labels.remove("le").ok_or(format!("{family}: a bucket without le"))?;
                    buckets.entry(labels).or_default().push((number(&bound)?, *value));
                }
            }
            for (labels, mut buckets) in buckets {
                buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
                let exact = |suffix: &str| self.samples.get(&(format!("{family}{suffix}"), labels.clone()));
                let last = buckets.last().copied().unwrap_or_default();
                if !buckets.is_sorted_by(|one, other| one.1 <= other.1) {
                    return Err(format!("{family}: buckets that shrink"));
                }
                if last.0 != f64::INFINITY || exact("_count") != Some(&last.1) || exact("_sum").is_none() {
                    return Err(format!("{family}: +Inf, _count and _sum do not agree"));
                }
            }
        }
        Ok(())
    }
}

fn belongs(name: &str, family: &str, kind: &str) -> bool {
    let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
    name.strip_prefix(family).is_some_and(|suffix| !kind.is_empty() && suffixes.contains(&suffix))
}

fn sample(line: &str) -> Result<(String, Labels, f64), String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, rest) = line.split_at(end);
    if !is_name(name) {
        return Err("no name".to_owned());
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    Ok((name.to_owned(), labels, number(value)?))
}

/// The labels between the braces, and the text that follows them.
fn labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Labels::new();
    loop {
        let (key, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(key) || key.contains(':') || key.starts_with("__") {
            return Err(format!("{key:?} is no name of a label"));
        }
        let (value, after) = quoted(after)?;
        if labels.insert(key.to_owned(), value).is_some() {
            return Err(format!("the label {key} twice"));
        }
        match (after.strip_prefix(','), after.strip_prefix('}')) {
            (Some(more), _) => rest = more,
            (_, Some(rest)) => return Ok((labels, rest)),
            _ => return Err("the labels have no end".to_owned()),
        }
    }
}

fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match letters.next() {
                Some((_, 'n')) => '\n',
                Some((_, letter @ ('\\' | '"'))) => letter,
                _ => return Err("an unknown escape".to_owned()),
            }),
            letter => value.push(letter),
        }
    }
    Err("a label's value has no end".to_owned())
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        // Rust parses more words as numbers than Prometheus.
        text if text.contains(|letter: char| letter.is_ascii_alphabetic() && letter != 'e') => {
            Err(format!("{text:?} is no number"))
        }
        text => text.parse().map_err(|_| format!("{text:?} is no number")),
    }
}

fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    name.bytes().all(legal) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}
