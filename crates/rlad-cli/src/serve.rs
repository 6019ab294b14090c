//! The service: metrics in, scores and alarms back, answered at the labelling page.
//!
//! Samples come by `remote_write` ([`http`]) or are asked for ([`pull`]). The engine ([`engine`], in the thread of [`worker`]) puts
//! them into the journal, scores them, and hands what it decides to the [`outlets`]: the outbox for the database, the alerts for
//! Alertmanager ([`alerting`]), the metrics. [`learning`] keeps a session over the last weeks, whose page people answer at, and gives the
//! engine the detectors that come of it.
//!
//! Each module uses only those before it: `fault`, `labels`, `bytes`, `clock`, `shared`, `client`, `matcher`, `config`, `vmanomaly`, `wire`,
//! `datasource`, `outbox`, `alertmanager`, `journal`, `intake`, `history`, `rules`, `watched`, `snapshot`, `models`, `engine`,
//! `telemetry`, `outlets`, `worker`, `pull`, `suggested`, `alerting`, `learning`, `http`, `service`.

mod alerting;
mod alertmanager;
mod bytes;
mod client;
mod clock;
mod config;
mod datasource;
mod engine;
mod fault;
mod history;
mod http;
mod intake;
mod journal;
mod labels;
mod learning;
mod matcher;
mod models;
mod outbox;
mod outlets;
mod pull;
mod rules;
mod service;
mod shared;
mod snapshot;
mod suggested;
mod telemetry;
mod vmanomaly;
mod watched;
mod wire;
mod worker;

pub(crate) use self::client::{Client, Options as ClientOptions};
pub(crate) use self::config::ServeConfig;
pub(crate) use self::service::{Start, check, run};
pub(crate) use self::vmanomaly::convert;
