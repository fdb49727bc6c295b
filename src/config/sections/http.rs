//! The keys of `[http]`.

use std::net::SocketAddr;

use conversation::Secret;
use turn_store::TraceUrl;

use crate::config::key::{of, section, unset};
use crate::config::kind::{Listen, TraceLink, secret};

section! {
    /// `[http]`: health, status and the record's pages.
    Http, "http",
        "Health, status and the record of sessions over HTTP.";

    /// None: no listener.
    listen: Option<SocketAddr> = of(&Listen, r#""127.0.0.1:8081""#)
        .doc("The address and port of /healthz, /readyz, /worker, /metrics and /sessions; \"off\" for none. /worker says\n\
             how much the worker is used, so think before you open it to a network. 0.0.0.0:8081 listens on every interface.");

    /// The token that a client must send to see sessions. None: clients on loopback need none, and clients beyond it
    /// see no sessions.
    token: Option<Secret> = unset(&secret(), r#""a-long-random-text""#)
        .doc("To see /sessions or /api a client must send this: in a form once, or as `Authorization: Bearer`.\n\
             Unset: open to clients that reach a loopback address, and closed on any other.");

    trace_url: Option<TraceUrl> =
        unset(&TraceLink, r#""https://traces.example.com/trace/{trace_id}?from={start_us}&to={end_us}""#)
            .doc("Where a trace can be looked at: the sessions' pages link there. {trace_id}, {session_id}, {start_us} and\n\
                 {end_us} (microseconds since 1970, a minute around the turn) are filled in.\n\
                 OpenObserve: https://<host>/web/traces/trace-details?stream=default&org_identifier=<organisation>\n\
                 &trace_id={trace_id}&from={start_us}&to={end_us}, all in one line.");
}
