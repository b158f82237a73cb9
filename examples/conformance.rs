//! Serves this project's own HTTP transports and server with the fixtures that the protocol's conformance suite asks for.
//!
//! `conformance [ADDR]` listens on ADDR (default 127.0.0.1:0), prints its address, and ends at end of input. The fixtures are in no shipped
//! program: everything that the suite looks at and that is no fixture (framing, sessions, headers, errors) is the product's.
#![allow(clippy::print_stdout, reason = "whoever started it reads the address there")]

#[path = "conformance/data.rs"]
mod data;
#[path = "conformance/input_required.rs"]
mod input_required;
#[path = "conformance/server.rs"]
mod server;
#[path = "conformance/tools.rs"]
mod tools;

use std::{error::Error, io::Read as _, net::SocketAddr};

use opsmedic::{
    app,
    config::{Config, Env},
    http,
    mcp::{self, Hub, Server},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:0").parse()?;
    let built = app::build(Config::load(None, &Env::read())?, app::Options { read_only: true })?;
    let settings = built.serving.http;
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
    let sessions = mcp::Sessions::new(settings.max_sessions, settings.session_idle());
    tokio::spawn(sessions.clone().sweep(cut.clone()));
    let hub = Hub::new(built.services, built.serving.limits);
    let changes = server::Changes::default();
    let routes = mcp::routes(&hub, |transport| server::Fixtures::new(Server::new(hub.clone(), transport), &changes), &sessions, &cut);
    let until_end_of_input = stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        until_end_of_input.cancel();
    });
    println!("http://localhost:{}/mcp", address.port());
    let quiet = || hub.quiet();
    http::serve(listener, http::Gate::new(None, routes, &settings, address), &settings, http::End { stop, quiet, cut }).await;
    Ok(())
}
