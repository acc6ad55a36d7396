//! Whether others may connect to this program, and where.

use std::ops::RangeInclusive;

use clap::Args;
use myicq_client::Direct;

#[derive(Debug, Args)]
pub(crate) struct Ports {
    /// Listen on one of these TCP ports, FIRST-LAST, for example behind a firewall [default: any]
    #[arg(long, value_name = "PORTS", value_parser = ports)]
    ports: Option<RangeInclusive<u16>>,
}

#[derive(Debug, Args)]
pub(crate) struct DirectOptions {
    #[command(flatten)]
    ports: Ports,
    /// Say and hear everything through the server, and listen on no port: nobody is told where to connect to
    #[arg(long, env = "MYICQ_NO_DIRECT")]
    no_direct: bool,
}

impl Ports {
    pub(crate) fn direct(&self) -> Direct {
        let direct = Direct::default();
        match &self.ports {
            Some(ports) => direct.ports(ports.clone()),
            None => direct,
        }
    }
}

impl DirectOptions {
    pub(crate) fn direct(&self) -> Option<Direct> {
        (!self.no_direct).then(|| self.ports.direct())
    }
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let wrong = || format!("\"{text}\" is no range of ports: write FIRST-LAST");
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    if first > last { Err(wrong()) } else { Ok(first..=last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports() {
        assert_eq!(ports("33765-33774"), Ok(33_765..=33_774));
        assert_eq!(ports("7"), Ok(7..=7));
        assert!(ports("9-7").is_err() && ports("1-70000").is_err() && ports("").is_err());
    }
}
