//! What a gateway is told, and which of it is refused.

use anyhow::{Context, ensure};
use std::net::SocketAddr;
use std::path::PathBuf;
use tessera_client::MasterArguments;
use tessera_ingest::Limits;

/// Where sources, viewers and workers come in, and who says which may.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Whom to work for.
    #[command(flatten)]
    pub master: MasterArguments,
    /// This gateway's own folder: its key, segments and journals.
    #[arg(long, value_name = "DIR", default_value = ".tessera-gateway")]
    pub state: PathBuf,
    /// What people call this gateway.
    #[arg(long, default_value = "gateway")]
    pub name: String,
    /// Where RTMP sources connect.
    #[arg(long, value_name = "ADDR")]
    pub rtmp: Option<SocketAddr>,
    /// Where SRT sources connect.
    #[arg(long, value_name = "ADDR")]
    pub srt: Option<SocketAddr>,
    /// Where segments are pushed, and everything is played.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Where workers dial in.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7070")]
    pub link: SocketAddr,
    /// The name or address by which others reach this machine; needed where a door is open to all
    /// of its addresses.
    #[arg(long, value_name = "HOST")]
    pub public_host: Option<String>,
    /// host:port that workers are told to dial, where it is not --link.
    #[arg(long, value_name = "HOST:PORT")]
    pub link_as: Option<String>,
    /// The certificate, with its chain, for RTMPS and HTTPS, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its key, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A file that holds the passphrase of SRT, 10 to 79 characters.
    #[arg(long, value_name = "FILE")]
    pub srt_passphrase_file: Option<PathBuf>,
    /// A proxy terminates TLS in front of the RTMP and HTTP doors.
    #[arg(long)]
    pub behind_tls_proxy: bool,
    /// Open the doors for sources and viewers without encryption to other machines: stream keys can
    /// be read on their way.
    #[arg(long)]
    pub allow_plain: bool,
    /// Where metrics are served, in Prometheus' format, to whoever asks. Otherwise they are at
    /// /metrics of --http for this machine alone, and nowhere with --behind-tls-proxy, since a proxy
    /// asks from this machine, too.
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
    /// Sources may be sent on to private addresses, this machine's own among them.
    #[arg(long)]
    pub restream_to_private: bool,
    /// Engines that look at pictures, for thumbnails and comparisons, at any one time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub engines: usize,
}

impl Arguments {
    pub(super) fn srt_passphrase(&self) -> anyhow::Result<Option<String>> {
        let Some(file) = &self.srt_passphrase_file else { return Ok(None) };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("could not read {}", file.display()))?;
        let phrase = text.trim_end_matches(['\r', '\n']).to_owned();
        ensure!(
            (10..=79).contains(&phrase.len()),
            "the SRT passphrase in {} has {} characters, and must have 10 to 79",
            file.display(),
            phrase.len()
        );
        Ok(Some(phrase))
    }

    /// Refuses doors that would show keys to the network without anybody having said so.
    pub(super) fn check_doors(&self) -> anyhow::Result<()> {
        let is_open = |address: &SocketAddr| !address.ip().to_canonical().is_loopback();
        let covered = self.tls_cert.is_some() || self.behind_tls_proxy || self.allow_plain;
        for (door, address) in [("--rtmp", self.rtmp), ("--http", Some(self.http))] {
            if let Some(address) = address.filter(is_open) {
                ensure!(
                    covered,
                    "{door} {address} can be reached from other machines, which would see stream \
                     keys on their way: give --tls-cert and --tls-key, say --behind-tls-proxy where \
                     a proxy terminates TLS, or --allow-plain"
                );
            }
        }
        if let Some(address) = self.srt.filter(is_open) {
            ensure!(
                self.srt_passphrase_file.is_some() || self.allow_plain,
                "--srt {address} can be reached from other machines, which would see stream keys \
                 on their way: give --srt-passphrase-file, or say --allow-plain"
            );
        }
        Ok(())
    }

    /// Limits of the RTMP and HTTP doors.
    pub(super) fn limits(&self) -> Limits {
        let limits = Limits::default();
        if self.behind_tls_proxy { limits.behind_proxy() } else { limits }
    }

    /// Whether metrics are shown at the HTTP door. Behind a proxy they are not: whoever watches a
    /// stream seems to be on this machine.
    pub(super) fn metrics_beside_streams(&self) -> bool {
        self.metrics.is_none() && !self.behind_tls_proxy
    }

    /// How others write an address of this machine.
    pub(super) fn public(&self, address: SocketAddr) -> anyhow::Result<String> {
        if let Some(host) = &self.public_host {
            return Ok(format!("{host}:{}", address.port()));
        }
        ensure!(
            !address.ip().is_unspecified(),
            "{address} stands for all addresses of this machine: say with --public-host by which \
             name or address others reach it"
        );
        Ok(address.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn arguments(more: &[&str]) -> Arguments {
        let line = ["gateway", "--master", "http://127.0.0.1:1"].iter().chain(more);
        Line::try_parse_from(line).unwrap().arguments
    }

    #[test]
    fn doors_on_loopback_need_nothing() {
        let line = ["--rtmp", "127.0.0.1:1935", "--srt", "[::1]:9", "--http", "127.0.0.1:80"];
        arguments(&line).check_doors().unwrap();
    }

    #[test]
    fn open_doors_are_refused_unless_something_covers_them() {
        for door in ["--rtmp", "--http"] {
            let refused = arguments(&[door, "0.0.0.0:1935"]).check_doors().unwrap_err();
            assert!(refused.to_string().contains("--behind-tls-proxy"), "{refused}");
            for cover in
                [&["--behind-tls-proxy"][..], &["--allow-plain"], &["--tls-cert=c", "--tls-key=k"]]
            {
                arguments(&[&[door, "10.0.0.1:1"], cover].concat()).check_doors().unwrap();
            }
        }
        for srt in ["0.0.0.0:9", "[::ffff:10.0.0.1]:9", "[2001:db8::1]:9"] {
            // TLS does nothing for SRT.
            let line = ["--srt", srt, "--tls-cert=c", "--tls-key=k", "--behind-tls-proxy"];
            assert!(arguments(&line).check_doors().is_err());
            arguments(&["--srt", srt, "--srt-passphrase-file=f"]).check_doors().unwrap();
            arguments(&["--srt", srt, "--allow-plain"]).check_doors().unwrap();
        }
    }

    #[test]
    fn behind_a_proxy_all_peers_are_the_proxy() {
        let (open, behind) = (arguments(&[]), arguments(&["--behind-tls-proxy"]));
        assert!(open.limits().connections_per_address < open.limits().connections);
        assert_eq!(behind.limits().connections_per_address, open.limits().connections);
        assert!(open.metrics_beside_streams() && !behind.metrics_beside_streams());
        assert!(!arguments(&["--metrics", "127.0.0.1:9"]).metrics_beside_streams());
    }

    #[test]
    fn an_address_for_all_addresses_is_told_to_nobody() {
        let any = "0.0.0.0:7".parse().unwrap();
        assert!(arguments(&[]).public(any).is_err());
        assert_eq!(arguments(&["--public-host", "here"]).public(any).unwrap(), "here:7");
    }
}
