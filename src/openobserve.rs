//! OpenObserve, seen as more than a receiver of traces: our dashboard and our alerts, put there through its API.
//!
//! - `target`: the server, the organisation, and the credentials
//! - `assets`: the files of `observability/openobserve`, which are in the binary, made to fit a stream and a service
//! - `api`: the requests, and the remedies when one is refused
//! - `install`: the comparison with existing things, and the making or changing of ours
//!
//! OpenObserve's interfaces were read in its source, v0.93 (commit fbab9b80a2 of 21 August 2026), as it is not part of
//! our tests: dashboards of version 8 (`config/src/meta/dashboards/v8`), which it has since v0.40, version 2 of its
//! alerts (`api/management/src/models/alerts`), the value that an alert's threshold is compared with
//! (`core/src/alerts`), and the page of a trace (`web/src/composables/shared/router.ts`), which agent.toml names for
//! `trace_url`.

mod api;
mod assets;
mod install;
mod target;

pub(crate) use self::assets::Assets;
pub(crate) use self::install::{Done, Installation, Step};
pub(crate) use self::target::{Target, Wanted};
