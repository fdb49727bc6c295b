//! The state that programs and the driver share.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::pc::{effect::Callbacks, state::State};

pub(crate) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) callbacks: Callbacks,
    pub(super) wake: Arc<Notify>,
}
