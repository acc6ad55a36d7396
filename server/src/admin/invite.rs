//! `myicqd invite`: the lines by which clients come here.

use std::io::{self, Write};

use anyhow::{Context as _, anyhow};
use myicq_server::driver;
use myicq_wire::{Invite, is_name};

use crate::cli::InviteArgs;
use crate::exit::{Exit, Failure};

/// Prints a line for each address under which clients reach the server, or for the one host that is named.
pub(crate) fn run(args: InviteArgs) -> Result<(), Failure> {
    let config = args.sources.into_sources().load()?.config;
    let (listen, domain) = (&config.listen.udp, &config.listen.domain);
    if listen.iter().any(|address| address.port() == 0) {
        let error =
            anyhow!("listen.udp has port 0, so the port is another one each time; the log of the server has the line");
        return Err(Failure::new(Exit::Usage, error));
    }
    let data = &config.store.data;
    let id = driver::server_id(data).with_context(|| format!("cannot read the id of the server in {}", data.display()));
    let id = id.map_err(|error| Failure::new(Exit::Io, error))?;
    let invites = if let Some(host) = args.host {
        if !is_name(&host) && host.parse::<std::net::IpAddr>().is_err() {
            return Err(Failure::new(Exit::Usage, anyhow!("--host {host:?} is no name and no address")));
        }
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let invite = |&address| Invite { host: host.clone(), ..Invite::new(address, domain, id) };
        let mut invites: Vec<_> = listen.iter().map(invite).collect();
        // One name, and mostly one port.
        invites.dedup_by_key(|invite| invite.address());
        invites
    } else {
        let reachable: io::Result<Vec<_>> = listen.iter().map(|&address| driver::reachable(address)).collect();
        let reachable = reachable.context("the system does not say which addresses it has");
        let reachable = reachable.map_err(|error| Failure::new(Exit::System, error))?;
        reachable.into_iter().flatten().map(|address| Invite::new(address, domain, id)).collect()
    };
    let mut out = io::stdout().lock();
    invites.iter().try_for_each(|invite| writeln!(out, "{invite}"))?;
    out.flush()?;
    let is_ours = |invite: &Invite| listen.iter().any(|address| invite.address() == address.to_string());
    if config.listen.for_others().is_none() && invites.iter().all(is_ours) {
        // Whoever does not read this has the line all the same.
        let _ = writeln!(io::stderr(), "myicqd: only this machine gets in by it: listen.udp is on loopback");
    }
    Ok(())
}
