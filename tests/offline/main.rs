//! Tests that need no LiveKit server: settings, pages, exports, the LLM call and the parsers of outside bytes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

mod agent_toml_is_current;
mod call_files;
mod check_models;
mod config_command;
mod config_dotenv;
mod config_errors;
mod config_files;
mod config_network;
mod config_otel;
mod config_privacy;
mod config_secrets;
mod config_sources;
mod export_delivery;
mod fuzz_corpus;
mod http;
mod informational;
mod llm;
mod openobserve;
mod sessions_browser;
mod sessions_http;
mod spans_golden;
mod spans_lifetime;
