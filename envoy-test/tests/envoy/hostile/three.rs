//! The same question to three listeners: two with the module, which carries its choices out in two ways, and one
//! without it.

use anyhow::Result;
use envoy_test::{Envoy, Listener, Outcome, RawHttp1, RawHttp2};

use super::policy::{self, HOST};
use super::vital::Vital;

/// An outcome but for what the answer holds.
pub fn kind(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answer(answer) => answer.status.to_string(),
        other => format!("{other:?}"),
    }
}

/// The lines of a `GET` to the policy's host in HTTP/2, and these.
pub fn get_http2<'a>(path: &'a str, lines: &[(&'a [u8], &'a [u8])]) -> Vec<(&'a [u8], &'a [u8])> {
    let mut all = vec![
        (&b":method"[..], &b"GET"[..]),
        (b":scheme", b"http"),
        (b":authority", HOST.as_bytes()),
        (b":path", path.as_bytes()),
    ];
    all.extend_from_slice(lines);
    all
}

/// A request in HTTP/1.1, whose answer may be to a `HEAD`.
pub async fn http1(listener: &Listener, method: &str, target: impl AsRef<[u8]>, host: &[u8]) -> Result<Outcome> {
    let parts = [method.as_bytes(), b" ", target.as_ref(), b" HTTP/1.1\r\nhost: ", host, b"\r\nx-in: in\r\n\r\n"];
    let mut connection = RawHttp1::open(listener.address()).await?;
    connection.write(&parts.concat()).await;
    connection.any_answer(method == "HEAD").await
}

/// The same request in HTTP/2.
pub async fn http2(listener: &Listener, method: &str, path: impl AsRef<[u8]>, host: &[u8]) -> Result<Outcome> {
    let lines: [(&[u8], &[u8]); 5] = [
        (b":method", method.as_bytes()),
        (b":scheme", b"http"),
        (b":authority", host),
        (b":path", path.as_ref()),
        (b"x-in", b"in"),
    ];
    RawHttp2::open(listener.address()).await?.ask(&lines).await
}

/// The two listeners whose module does the same by other means, and the one without: the answer is of the same kind.
pub struct Three {
    pub by_header: Listener,
    pub by_authority: Listener,
    pub bare: Listener,
}

impl Three {
    pub async fn new(envoy: &Envoy) -> Result<Self> {
        Ok(Self {
            by_header: policy::listener(envoy).await?,
            by_authority: policy::listener_by_authority(envoy).await?,
            bare: policy::bare(envoy).await?,
        })
    }

    /// Returns what both modules said in both protocols. A path on which no rule but the last matches is asked for.
    pub async fn ask(&self, method: &str, target: impl AsRef<[u8]>, host: &[u8]) -> Result<[Outcome; 4]> {
        let target = target.as_ref();
        let shown = || format!("{method} {} {}", target.escape_ascii(), host.escape_ascii());
        let envoys = http1(&self.bare, method, target, host).await?;
        let one = [
            http1(&self.by_header, method, target, host).await?,
            http1(&self.by_authority, method, target, host).await?,
        ];
        for ours in &one {
            assert_eq!(kind(ours), kind(&envoys), "HTTP/1 {}: {ours:?} and {envoys:?}", shown());
        }
        let envoys = http2(&self.bare, method, target, host).await?;
        let two = [
            http2(&self.by_header, method, target, host).await?,
            http2(&self.by_authority, method, target, host).await?,
        ];
        for ours in &two {
            assert_eq!(kind(ours), kind(&envoys), "HTTP/2 {}: {ours:?} and {envoys:?}", shown());
        }
        let [a, b] = one;
        let [c, d] = two;
        Ok([a, b, c, d])
    }

    pub async fn check(&self, envoy: &Envoy, vital: &Vital<'_>) -> Result<()> {
        Vital::watch(envoy, &self.by_authority).check().await?;
        vital.check().await
    }
}
