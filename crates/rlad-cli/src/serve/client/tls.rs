//! The certificates of a client, from files.

use std::path::Path;

use anyhow::{Context, bail};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::Options;

/// Whom the client trusts, and what it shows.
///
/// # Errors
/// If a file cannot be read or holds no certificate or key, or the key is not the certificate's.
pub(super) fn config(options: &Options) -> anyhow::Result<TlsConfig> {
    let mut tls = TlsConfig::builder();
    if let Some(path) = &options.ca_file {
        tls = tls.root_certs(RootCerts::new_with_certs(&read_pem(path, "certificate")?.0));
    }
    if let (Some(certificates), Some(key_file)) = (&options.cert_file, &options.key_file) {
        let (chain, _) = read_pem(certificates, "certificate")?;
        let (_, Some(key)) = read_pem(key_file, "key")? else { bail!("`{}` holds no key", key_file.display()) };
        check(&chain, &key).with_context(|| {
            format!("`{}` and `{}` are no certificate and its key", certificates.display(), key_file.display())
        })?;
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(tls.build())
}

/// Whether the key is that of the first certificate: the HTTP client panics where it is not.
fn check(chain: &[Certificate<'_>], key: &PrivateKey<'_>) -> anyhow::Result<()> {
    let chain = chain.iter().map(|of| CertificateDer::from(of.der().to_vec())).collect();
    let key = PrivateKeyDer::try_from(key.der().to_vec()).map_err(|wrong| anyhow::anyhow!(wrong))?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?;
    Ok(())
}

/// Certificates and key of a file, at least one of the kind that is asked for.
fn read_pem(path: &Path, kind: &str) -> anyhow::Result<(Vec<Certificate<'static>>, Option<PrivateKey<'static>>)> {
    let text = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let (mut certificates, mut key) = (Vec::new(), None);
    for item in parse_pem(&text) {
        match item.map_err(|_| anyhow::anyhow!("`{}` is no PEM file", path.display()))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            PemItem::PrivateKey(of) => key = Some(of),
            _ => {}
        }
    }
    if if kind == "key" { key.is_none() } else { certificates.is_empty() } {
        bail!("expected a {kind} in `{}`, found none", path.display());
    }
    Ok((certificates, key))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::pki_types::CertificateDer;
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};

    use super::super::Client;
    use super::*;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// A certificate for `localhost`, and its key.
    fn signed(by: &Authority) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, by).unwrap(), key)
    }

    /// A server that takes clients with a certificate of this authority alone, and its port.
    fn serve(by: &Authority) -> u16 {
        let mut roots = RootCertStore::empty();
        roots.add(by.der().clone()).unwrap();
        let (certificate, key) = signed(by);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let chain: Vec<CertificateDer<'_>> = vec![certificate.der().clone()];
        let config = Arc::new(config.with_client_cert_verifier(clients).with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut tls = Stream::new(&mut connection, &mut stream);
                if tls.read(&mut [0; 4096]).is_ok() {
                    tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").unwrap();
                }
            }
        });
        port
    }

    #[test]
    fn both_sides_show_a_certificate() {
        let (ours, others) = (authority(), authority());
        let url = format!("https://localhost:{}/", serve(&ours));
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let (certificate, key) = signed(&ours);
        let options = Options {
            ca_file: file("ca.pem", &ours.pem()),
            cert_file: file("cert.pem", &certificate.pem()),
            key_file: file("key.pem", &key.serialize_pem()),
            ..Options::default()
        };
        let get = |options: &Options| Client::new(options).and_then(|client| client.get(&url));
        let told = |options: &Options| format!("{:#}", get(options).unwrap_err());
        assert_eq!(get(&options).unwrap().body, b"hi");
        let public = told(&Options { ca_file: None, ..options.clone() });
        assert!(public.contains("invalid peer certificate"), "{public}");
        assert!(get(&Options { cert_file: None, key_file: None, ..options.clone() }).is_err());
        let another =
            told(&Options { key_file: file("other.pem", &signed(&ours).1.serialize_pem()), ..options.clone() });
        assert!(another.contains("other.pem` are no certificate and its key"), "{another}");
        // A client made before the files were replaced takes the new ones.
        let client = Client::new(&Options { ca_file: file("new.pem", &others.pem()), ..options }).unwrap();
        assert!(client.get(&url).is_err());
        std::thread::sleep(std::time::Duration::from_millis(20));
        file("new.pem", &ours.pem());
        assert!(client.get(&url).unwrap().is_success());
    }
}
