//! Who is called, and how: one POST of JSON, signed, with a time limit.

use std::{sync::Arc, time::Duration};

use anyhow::{anyhow, ensure};
use axum::{
    body::{Body, Bytes},
    http::{Request, StatusCode, header},
};
use futures_util::StreamExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use ring::hmac;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::time::timeout;

use crate::config::{HookSettings, HookUrl};

/// How long a receiver may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whoever is called.
#[derive(Debug)]
pub struct Hook {
    url: HookUrl,
    key: Option<hmac::Key>,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

/// What a receiver answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    body: Body,
}

impl Hook {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// Authorities that cannot be read.
    pub fn new(settings: &HookSettings) -> anyhow::Result<Self> {
        let tls = HttpsConnectorBuilder::new();
        let tls = match &settings.authorities {
            None => tls.with_provider_and_webpki_roots(default_provider())?,
            Some(pem) => tls.with_tls_config(trusting(pem)?),
        };
        let tls = tls.https_or_http().enable_http1();
        // Alerts are rare: a connection that is kept would be gone when the next one comes.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(tls.build());
        let key = settings.secret.as_ref().map(|secret| secret.key());
        Ok(Self { url: settings.url.clone(), key, client })
    }

    /// Where it is called, without what is secret.
    pub fn url(&self) -> &HookUrl {
        &self.url
    }

    /// Sends a message at a time, in seconds since 1970. A redirect is an answer like any other.
    ///
    /// # Errors
    /// There was no answer: a sentence that says why.
    pub async fn send(&self, body: Vec<u8>, now: u64) -> anyhow::Result<Answer> {
        let mut request = Request::post(self.url.expose())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("rowcast/", env!("CARGO_PKG_VERSION")));
        if let Some(key) = &self.key {
            request = request.header("X-Rowcast-Signature", signature(key, &body, now));
        }
        let request = request.body(Body::from(body))?;
        match timeout(PATIENCE, self.client.request(request)).await {
            Ok(Ok(response)) => {
                let (head, body) = response.into_parts();
                Ok(Answer { status: head.status, body: Body::new(body) })
            }
            Ok(Err(error)) => Err(anyhow!("{} cannot be called: {}", self.url, reason(&error))),
            Err(_) => Err(anyhow!("{} does not answer within {} s", self.url, PATIENCE.as_secs())),
        }
    }
}

/// Trusts these authorities, in PEM, and no others.
///
/// # Errors
/// What is no certificate, or a text without one.
pub fn trusting(pem: &str) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    ensure!(!roots.is_empty(), "it holds none");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    Ok(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

impl Answer {
    /// How its body begins, in one line.
    pub async fn beginning(self) -> String {
        const MOST: usize = 200;
        let mut chunks = self.body.into_data_stream();
        let first = timeout(PATIENCE, chunks.next()).await.ok().flatten().and_then(Result::ok);
        let text = String::from_utf8_lossy(&first.unwrap_or_else(Bytes::new)).into_owned();
        text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MOST).collect()
    }
}

/// `t=1700000000,v1=...`: the time, and HMAC-SHA256 over `<time>.<body>` in hexadecimal. This is the scheme of Stripe's
/// webhooks (<https://docs.stripe.com/webhooks#verify-manually>): the time is signed, so that a receiver can refuse what
/// somebody has recorded.
fn signature(key: &hmac::Key, body: &[u8], now: u64) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{now}.").as_bytes());
    context.update(body);
    let hex: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={now},v1={hex}")
}

/// The innermost reason: those around it say only that there was one.
fn reason(error: &Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_other_programs() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef0123456789abcdef");
        let expected = "t=1700000000,v1=f05f2539e3ae1c49aec5f8cfdad75ef6b06480b133973ffbb7ec9e18827af177";
        assert_eq!(signature(&key, br#"{"a":1}"#, 1_700_000_000), expected);
    }
}
