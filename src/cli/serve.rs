//! `serve`

use std::{
    io::IsTerminal as _,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, routing::get};
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Exit, Failure, Outcome, recover, signals};
use crate::{
    flows::{
        Services,
        watch::{WatchEvent, watch},
    },
    http,
    mcp::{self, Hub, Server},
};

/// Where `--http` alone listens.
const DEFAULT_ADDRESS: &str = http::Settings::DEFAULT_ADDRESS;
/// The text format of Prometheus that the figures are in.
const METRICS_TYPE: [(&str, &str); 1] = [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")];
/// How often operations are looked for whose process is gone.
const ORPHANS: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
#[command(
    after_help = "Over HTTP, the configuration says who may call ([http.auth]), how it is encrypted ([http.tls]) and by which names this server is called (http.allowed_hosts); on 127.0.0.1 it serves without, to look only."
)]
pub struct ServeArgs {
    /// Refuse every recovery
    #[arg(long)]
    pub read_only: bool,
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = DEFAULT_ADDRESS, value_parser = address, help = help_of_http())]
    pub http: Option<SocketAddr>,
}

fn help_of_http() -> String {
    format!("Serve over HTTP instead of stdin and stdout: /mcp, and /sse for older clients; IP:PORT, or a PORT of 127.0.0.1 [default: {DEFAULT_ADDRESS}]")
}

/// `IP:PORT`, or a port of this machine alone.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    let local = || port.parse().ok().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    text.parse().ok().or_else(local).ok_or_else(|| format!("write IP:PORT, such as {DEFAULT_ADDRESS}, or only a port, which is one of 127.0.0.1"))
}

/// How the services are served, by the configuration.
pub struct Serving {
    /// How HTTP is.
    pub http: http::Settings,
    /// What HTTP needs of the outside.
    pub outside: http::Outside,
    /// How many calls run at once.
    pub limits: mcp::Limits,
}

pub(super) async fn run(args: &ServeArgs, services: Arc<Services>, serving: Serving) -> Outcome {
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    tokio::spawn(async move {
        signals::asked_to_stop().await;
        stopper.cancel();
    });
    // Beside the first answers, not before them, and again: a holder that may live is waited for until its lease has run out.
    let for_orphans = services.clone();
    let orphans = tokio::spawn(async move {
        loop {
            recover::mark_orphans_and_probe(&for_orphans).await;
            tokio::time::sleep(ORPHANS).await;
        }
    });
    let healing = heal(args, &services, &stop);
    let hub = Hub::new(services.clone(), serving.limits);
    let served = match args.http {
        Some(address) => over_http(hub, address, &serving, stop).await,
        None => over_stdio(hub, stop).await,
    };
    orphans.abort();
    if let Some(healing) = healing {
        healing.abort();
    }
    services.recovery.shut_down().await;
    served.map(|()| Exit::Fine)
}

async fn over_stdio(hub: Arc<Hub>, stop: CancellationToken) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() {
        tracing::warn!("speaks MCP on stdin and stdout; an MCP client starts this command. The README has the configuration; Ctrl-C ends it");
    }
    mcp::serve(hub, stop).await.map_err(Failure::could_not_run)
}

async fn over_http(hub: Arc<Hub>, address: SocketAddr, serving: &Serving, stop: CancellationToken) -> Result<(), Failure> {
    let settings = &serving.http;
    settings.may_listen(address).map_err(Failure::usage)?;
    let tls = http::Tls::load(settings).map_err(Failure::usage)?;
    let listener = TcpListener::bind(address).await.map_err(|error| Failure::could_not_run(format!("cannot listen on {address}: {error}")))?;
    let address = listener.local_addr().map_err(Failure::could_not_run)?;
    let auth = http::Auth::new(settings, address, &serving.outside).map_err(Failure::usage)?;
    let cut = CancellationToken::new();
    let sessions = mcp::Sessions::new(settings.max_sessions, settings.session_idle());
    tokio::spawn(sessions.clone().sweep(cut.clone()));
    let (metrics, counted) = (hub.services().clone(), sessions.clone());
    let routes = Router::new()
        .route("/metrics", get(move || async move { (METRICS_TYPE, metrics.metrics.text(counted.count())) }))
        .merge(mcp::routes(&hub, |transport| Server::new(hub.clone(), transport), &sessions, &cut))
        .route("/healthz", get(|| async { "ok\n" }));
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!("serving MCP at {scheme}://{address}/mcp, for older clients at {scheme}://{address}/sse");
    let calls = hub.clone();
    let quiet = || calls.quiet();
    let gate = http::Gate::new(auth, routes, settings, address).asking_first(mcp::at_once(&hub));
    http::serve(http::Door::new(listener, tls), gate, settings, http::End { stop, quiet, cut }).await;
    Ok(())
}

/// The self-healing loop, where the configuration says so.
fn heal(args: &ServeArgs, services: &Arc<Services>, stop: &CancellationToken) -> Option<tokio::task::JoinHandle<()>> {
    if !services.recovery.settings().auto_recovery || args.read_only {
        return None;
    }
    let tell = Arc::new(|event: WatchEvent| match &event {
        WatchEvent::Failing { .. } | WatchEvent::Well { .. } => tracing::info!(?event, "watch"),
        _ => tracing::warn!(?event, "watch"),
    });
    Some(tokio::spawn(watch(services.clone(), tell, stop.clone())))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[test]
    fn http_alone_listens_where_the_help_says() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: ServeArgs,
        }
        let line = Line::try_parse_from(["serve", "--http"]).expect("valid");
        assert_eq!(line.args.http.map(|address| address.to_string()).as_deref(), Some(DEFAULT_ADDRESS));
        let help = Line::command().render_long_help().to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(&format!("[default: {DEFAULT_ADDRESS}]")), "{help}");
    }

    #[test]
    fn a_port_alone_is_one_of_this_machine() {
        let of = |text: &str| address(text).map(|address| address.to_string());
        for (text, address) in [("8642", "127.0.0.1:8642"), ("localhost:8642", "127.0.0.1:8642"), ("[::1]:1", "[::1]:1"), ("0.0.0.0:0", "0.0.0.0:0")] {
            assert_eq!(of(text).as_deref(), Ok(address), "{text}");
        }
        for wrong in ["ops.example.com:8642", "localhost", "localhost:", "127.0.0.1", "65536", ":8642", "", "localhost:x"] {
            assert!(of(wrong).is_err_and(|why| why.contains(DEFAULT_ADDRESS)), "{wrong}");
        }
    }
}
