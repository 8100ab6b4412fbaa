//! Opens what others connect to, and says where that is.

use super::arguments::Arguments;
use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tessera_durable::{Access, OsDisk, write_file};
use tessera_ingest::srt::SrtDoor;
use tessera_link::Certificate;
use tessera_protocol::stream::gateway::GatewayDoors;
use tokio::net::TcpListener;

/// Where the doors are written once all of them are open.
const DOORS_FILE: &str = "doors.json";
const LINK_CERTIFICATE: &str = "link-certificate";

/// All doors but the workers'.
pub(super) struct Doors {
    pub(super) rtmp: Option<TcpListener>,
    pub(super) srt: Option<SrtDoor>,
    pub(super) http: TcpListener,
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    /// Where metrics have a door of their own.
    pub(super) metrics: Option<TcpListener>,
}

impl Doors {
    pub(super) async fn open(arguments: &Arguments) -> anyhow::Result<Self> {
        arguments.check_doors()?;
        let tls = tls(arguments)?;
        let rtmp = match arguments.rtmp {
            Some(address) => Some(listen("--rtmp", address).await?),
            None => None,
        };
        let phrase = arguments.srt_passphrase()?;
        let srt = match arguments.srt {
            Some(address) => Some(
                SrtDoor::bind(address, phrase.as_deref())
                    .await
                    .with_context(|| format!("could not listen on --srt {address}"))?,
            ),
            None => None,
        };
        let http = listen("--http", arguments.http).await?;
        let metrics = match arguments.metrics {
            Some(address) => Some(listen("--metrics", address).await?),
            None => None,
        };
        Ok(Self { rtmp, srt, http, tls, metrics })
    }

    /// Where others reach them.
    pub(super) fn described(
        &self,
        arguments: &Arguments,
        link: SocketAddr,
        link_pin: Option<String>,
    ) -> anyhow::Result<GatewayDoors> {
        let secure = self.tls.is_some() || arguments.behind_tls_proxy;
        let s = if secure { "s" } else { "" };
        let rtmp = match &self.rtmp {
            Some(door) => Some(format!("rtmp{s}://{}", arguments.public(door.local_addr()?)?)),
            None => None,
        };
        let srt = match &self.srt {
            Some(door) => Some(format!("srt://{}", arguments.public(door.local_addr()?)?)),
            None => None,
        };
        let http = format!("http{s}://{}", arguments.public(self.http.local_addr()?)?);
        let link = match &arguments.link_as {
            Some(told) => told.clone(),
            None => arguments.public(link)?,
        };
        Ok(GatewayDoors { rtmp, srt, http, link, link_pin })
    }
}

/// What workers are shown: nothing on loopback, where connections are plain.
pub(super) fn link_certificate(
    arguments: &Arguments,
    state: &Path,
) -> anyhow::Result<Option<Certificate>> {
    if arguments.link.ip().to_canonical().is_loopback() {
        return Ok(None);
    }
    Ok(Some(Certificate::load_or_generate(&state.join(LINK_CERTIFICATE))?))
}

/// Says to whoever waits for it that the doors are open.
pub(super) fn announce(state: &Path, doors: &GatewayDoors) -> anyhow::Result<()> {
    let text = serde_json::to_vec_pretty(doors)?;
    Ok(write_file(&OsDisk, &state.join(DOORS_FILE), &text, Access::Umask)?)
}

/// What is told of doors that are closed is wrong.
pub(super) fn retract(state: &Path) {
    // It need not exist, and whoever finds an old one cannot connect.
    let _ = std::fs::remove_file(state.join(DOORS_FILE));
}

async fn listen(door: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("could not listen on {door} {address}"))
}

fn tls(arguments: &Arguments) -> anyhow::Result<Option<Arc<rustls::ServerConfig>>> {
    let (Some(chain), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) else {
        return Ok(None);
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect)
        .with_context(|| format!("could not read certificates from {}", chain.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("could not read a key from {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and its key don't go together")?;
    Ok(Some(Arc::new(config)))
}
