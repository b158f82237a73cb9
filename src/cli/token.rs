//! `token`: a random bearer token, and the lines of the tokens file that make it good. Only its SHA-256 stands there.
//!
//! **Invariant:** without `--json`, stdout carries only those lines, so that it can be appended to the file; the token itself goes to stderr.

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Args;
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};

use super::{Exit, Failure, Out, Outcome};
use crate::{
    recovery::Action,
    types::access::{Scope, TokenName},
};

/// By which a token that turns up somewhere is known for one.
const PREFIX: &str = "opsmedic_";

#[derive(Debug, Args)]
#[command(
    after_help = "The token goes to stderr, its lines to stdout. The lines belong into the file that http.auth.tokens_file names, which a running server reads again: opsmedic token alice >> /etc/opsmedic/tokens.toml"
)]
pub struct TokenArgs {
    /// Whose it is, for the audit: letters, digits and any of - . _ @
    name: TokenName,
    /// What it permits: read, recover:ACTION or recover:*; repeat it for more [default: read]
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Until when it is good, such as 2027-01-31T00:00:00Z [default: for ever]
    #[arg(long, value_name = "TIME")]
    expires: Option<Timestamp>,
}

pub(super) fn run(args: &TokenArgs, out: &mut Out) -> Outcome {
    let actions = Action::ALL.map(Action::name);
    let asked = if args.scopes.is_empty() { vec!["read".to_owned()] } else { args.scopes.clone() };
    let scopes =
        asked.iter().map(|scope| Scope::parse(scope, &actions).map(|scope| scope.to_string())).collect::<Result<Vec<_>, _>>().map_err(Failure::usage)?;
    let mut random = [0; 32];
    SystemRandom::new().fill(&mut random).map_err(|_| Failure::could_not_run("the system gives no random numbers"))?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let sha256: String = Sha256::digest(&token).iter().map(|b| format!("{b:02x}")).collect();
    if out.is_json() {
        let mut entry = serde_json::json!({ "name": args.name.to_string(), "sha256": sha256, "scopes": scopes });
        if let Some(expires) = args.expires {
            entry["expires"] = expires.to_string().into();
        }
        out.line(serde_json::json!({ "token": token, "entry": entry }).to_string())?;
    } else {
        let list = scopes.iter().map(|scope| format!("{scope:?}")).collect::<Vec<_>>().join(", ");
        let expires = args.expires.map(|expires| format!("expires = {expires}\n")).unwrap_or_default();
        // First, so that no entry is written whose token nobody saw.
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "The token, for the client; it is shown this once:\n\n  {token}\n\nFor the file that http.auth.tokens_file names:\n")?;
        out.line(format!("[[token]]\nname = \"{}\"\nsha256 = \"{sha256}\"\nscopes = [{list}]\n{expires}", args.name))?;
    }
    Ok(Exit::Fine)
}
