//! The certificate that a gateway shows, and the pin by which a worker knows it.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use tessera_durable::{Access, OsDisk, exists_durably, write_file};

/// blake3 of a certificate's DER, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin(pub [u8; 32]);

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// Text that is not a pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a certificate's pin is 64 hexadecimal digits, and this is {0:?}")]
pub struct NotAPin(String);

impl FromStr for Pin {
    type Err = NotAPin;
    fn from_str(text: &str) -> Result<Self, NotAPin> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| NotAPin(text.chars().take(80).collect()))?;
        Ok(Self(bytes))
    }
}

/// A self-signed certificate with its key.
pub struct Certificate {
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("pin", &self.pin()).finish_non_exhaustive()
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not made.
    #[error("cannot make a certificate: {0}")]
    Make(String),
    /// Not kept.
    #[error(transparent)]
    Keep(#[from] tessera_durable::Error),
    /// Not read.
    #[error("cannot read the certificate {path}: {source}")]
    Read {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Something else.
    #[error(
        "{0} holds no certificate with its key: restore it, or remove it for a new one, which \
         workers will be told"
    )]
    Damaged(String),
}

impl Certificate {
    /// A new one. Its name and dates mean nothing: it is known by its pin.
    pub fn generate() -> Result<Self, CertificateError> {
        let made = rcgen::generate_simple_self_signed([SERVER_NAME.to_owned()])
            .map_err(|error| CertificateError::Make(error.to_string()))?;
        Ok(Self {
            certificate: made.cert.der().clone(),
            key: PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()),
        })
    }

    /// The one kept in this file, made and kept at first use. Only its owner may read the file. It
    /// blocks.
    pub fn load_or_generate(path: &Path) -> Result<Self, CertificateError> {
        exists_durably(&OsDisk, path)?;
        let name = || path.display().to_string();
        match std::fs::read(path) {
            Ok(pem) => {
                let certificate = CertificateDer::from_pem_slice(&pem);
                let key = PrivatePkcs8KeyDer::from_pem_slice(&pem);
                let (Ok(certificate), Ok(key)) = (certificate, key) else {
                    return Err(CertificateError::Damaged(name()));
                };
                Ok(Self { certificate, key })
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                let made = rcgen::generate_simple_self_signed([SERVER_NAME.to_owned()])
                    .map_err(|error| CertificateError::Make(error.to_string()))?;
                let pem = format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem());
                write_file(&OsDisk, path, pem.as_bytes(), Access::OwnerOnly)?;
                let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
                Ok(Self { certificate: made.cert.der().clone(), key })
            }
            Err(source) => Err(CertificateError::Read { path: name(), source }),
        }
    }

    /// What workers are told.
    pub fn pin(&self) -> Pin {
        Pin(*blake3::hash(&self.certificate).as_bytes())
    }

    pub(crate) fn into_server_config(self) -> Result<ServerConfig, rustls::Error> {
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate], PrivateKeyDer::Pkcs8(self.key))
    }
}

/// A name that TLS wants, and nobody looks at.
const SERVER_NAME: &str = "tessera-gateway";

pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from(SERVER_NAME).expect("a constant that is a name")
}

/// A client that takes the pinned certificate and no other.
pub(crate) fn client_config(pin: Pin) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = OnlyPinned { pin, provider: Arc::clone(&provider) };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Who shows the pinned certificate must also sign with its key; names, dates and chains say
/// nothing that the lease has not said already.
#[derive(Debug)]
struct OnlyPinned {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OnlyPinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if blake3::hash(certificate) == self.pin.0 {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
