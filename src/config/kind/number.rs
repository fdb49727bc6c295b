//! Numbers, durations and booleans.

use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

use figment::value::Value;
use serde::Serialize;

use super::{Fit, Kind, Misfit, Raw};
use crate::config::duration;

pub(in crate::config) struct Boolean;

/// A duration.
pub(in crate::config) struct Length {
    zero: bool,
}

pub(in crate::config) struct Integer<T> {
    min: i64,
    max: i64,
    of: PhantomData<fn() -> T>,
}

pub(in crate::config) struct Number {
    min: f64,
    max: f64,
}

pub(in crate::config) const fn integer<T>(min: i64, max: i64) -> Integer<T> {
    Integer { min, max, of: PhantomData }
}

pub(in crate::config) const fn number(min: f64, max: f64) -> Number {
    Number { min, max }
}

// === impl Boolean ===

impl Kind for Boolean {
    type Value = bool;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<bool>, Misfit> {
        let value = match raw {
            Raw::Boolean(value) => *value,
            Raw::Untyped(text) => text.trim().parse().map_err(|_| Misfit::FORM)?,
            _ => return Err(Misfit::FORM),
        };
        Fit::of(&value, value)
    }

    fn expected(&self) -> String {
        "true or false".to_owned()
    }
}

// === impl Length ===

impl Length {
    pub(in crate::config) const fn any() -> Self {
        Self { zero: true }
    }

    pub(in crate::config) const fn above_zero() -> Self {
        Self { zero: false }
    }
}

impl Kind for Length {
    type Value = Duration;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<Duration>, Misfit> {
        let text = raw.text()?;
        let length = duration::parse(text)?;
        if length.is_zero() && !self.zero {
            return Err(Misfit::because("it must be longer than zero"));
        }
        Fit::of(&length, text.trim())
    }

    fn expected(&self) -> String {
        "a duration like \"250ms\", \"5s\" or \"1h\"".to_owned()
    }
}

// === impl Integer ===

impl<T: TryFrom<i64> + Serialize + 'static> Kind for Integer<T> {
    type Value = T;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<T>, Misfit> {
        let number: i64 = match raw {
            Raw::Integer(number) => *number,
            Raw::Untyped(text) => text.trim().parse().map_err(|_| Misfit::FORM)?,
            _ => return Err(Misfit::FORM),
        };
        if !(self.min..=self.max).contains(&number) {
            return Err(Misfit::FORM);
        }
        Fit::of(&T::try_from(number).map_err(|_| Misfit::FORM)?, number)
    }

    fn expected(&self) -> String {
        format!("a whole number from {} to {}", self.min, self.max)
    }
}

// === impl Number ===

impl Kind for Number {
    type Value = f32;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<f32>, Misfit> {
        let number: f64 = match raw {
            Raw::Integer(number) => *number as f64,
            Raw::Float(number) => *number,
            Raw::Untyped(text) => text.trim().parse().map_err(|_| Misfit::FORM)?,
            _ => return Err(Misfit::FORM),
        };
        if !(self.min..=self.max).contains(&number) {
            return Err(Misfit::FORM);
        }
        Fit::of(&(number as f32), Value::from(number))
    }

    fn expected(&self) -> String {
        format!("a number from {} to {}", self.min, self.max)
    }
}
