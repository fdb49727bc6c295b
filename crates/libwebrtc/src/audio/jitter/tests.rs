//! The buffer against simulated networks.

mod hostile;
mod networks;
mod pauses;
mod spoken;
