//! What was measured, as a table for people and as an object for programs.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

/// Three digits are more than such a measurement is worth, and cost little.
const DIGITS: u8 = 3;

/// Figures in the order in which they are shown. Their names are those of the object; a table has blanks in them.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    values: Vec<(String, Value)>,
    /// What must be zero and is not.
    failures: Vec<String>,
}

impl Figures {
    /// Adds a figure.
    pub(super) fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.values.push((name.into(), value.into()));
    }

    /// Adds a figure of which more than two decimals would be noise; none where there was nothing to measure.
    pub(super) fn set_measured(&mut self, name: impl Into<String>, value: Option<f64>) {
        let rounded = value.filter(|value| value.is_finite()).map(|value| (value * 100.0).round() / 100.0);
        self.set(name, json!(rounded));
    }

    /// Adds a count that must be 0 for the run to have succeeded.
    pub(super) fn set_failures(&mut self, name: &str, count: u64) {
        self.set(name, count);
        if count > 0 {
            self.failures.push(format!("{name}: {count}"));
        }
    }

    /// Adds the middle, the hundredth slowest and the slowest of some latencies.
    pub(super) fn set_latency(&mut self, name: &str, latency: &Latency) {
        for (part, value) in latency.parts() {
            self.set(format!("{name}_{part}_us"), value);
        }
    }

    /// What must be zero and is not, with its number.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// One object with all of the figures.
    pub fn to_json(&self) -> Value {
        Value::Object(Map::from_iter(self.values.iter().cloned()))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.values.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in &self.values {
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Null => "not measured".to_owned(),
                value => value.to_string(),
            };
            writeln!(f, "{:<width$}  {value:>14}", name.replace('_', " "))?;
        }
        Ok(())
    }
}

/// How long things took.
#[derive(Clone, Debug)]
pub(super) struct Latency(Histogram<u64>);

impl Latency {
    pub(super) fn new() -> Self {
        Self(Histogram::new(DIGITS).expect("from 1 to 5 digits are possible"))
    }

    pub(super) fn record(&mut self, time: Duration) {
        // It grows with what comes, so every number fits.
        let _ = self.0.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    fn parts(&self) -> [(&'static str, Value); 3] {
        let known = |value: u64| if self.0.is_empty() { Value::Null } else { json!(value) };
        [
            ("p50", known(self.0.value_at_quantile(0.5))),
            ("p99", known(self.0.value_at_quantile(0.99))),
            ("max", known(self.0.max())),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_its_place_in_both_forms() {
        let mut figures = Figures::default();
        let mut latency = Latency::new();
        figures.set_latency("login", &latency);
        latency.record(Duration::from_micros(70));
        latency.record(Duration::ZERO);
        figures.set_latency("message", &latency);
        figures.set_measured("us_each", Some(1.23456));
        figures.set_measured("share", Some(f64::NAN));
        figures.set_failures("failed", 0);
        figures.set_failures("lost", 2);
        let json = figures.to_json();
        assert_eq!((&json["login_p50_us"], &json["message_max_us"]), (&Value::Null, &json!(70)));
        assert_eq!((&json["us_each"], &json["share"]), (&json!(1.23), &Value::Null));
        assert_eq!(figures.failures(), ["lost: 2"]);
        let table = figures.to_string();
        assert!(table.contains("message max us") && table.contains("not measured"), "{table}");
    }
}
