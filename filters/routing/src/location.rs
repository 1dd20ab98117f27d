//! Where a redirect sends the client: the `location` header, as Envoy's redirect action makes it of what istiod says.

use pointsman_filter::LocalReply;
use pointsman_host::Host;
use pointsman_http::HeaderMap;
use pointsman_http::path::Target;
use pointsman_routes::Matched;

use crate::config::{DerivePort, HttpRedirect};

/// HTTPRedirect.
pub(crate) struct Redirect {
    status: u32,
    scheme: String,
    authority: String,
    port: Port,
    path: Path,
}

enum Port {
    Keep,
    Given(u32),
    /// The one that the client connected to.
    Own,
}

enum Path {
    Keep,
    Whole(String),
    Prefix(String),
}

impl Redirect {
    pub fn new(redirect: &HttpRedirect) -> Self {
        Self {
            status: if redirect.redirect_code == 0 { 301 } else { redirect.redirect_code },
            scheme: redirect.scheme.clone(),
            authority: redirect.authority.clone(),
            port: match (redirect.port, redirect.derive_port) {
                (Some(port), _) => Port::Given(port),
                (None, Some(DerivePort::FromRequestPort)) => Port::Own,
                (None, _) => Port::Keep,
            },
            path: match (&redirect.prefix_rewrite, redirect.uri.as_str()) {
                (Some(prefix), _) => Path::Prefix(prefix.clone()),
                (None, "") => Path::Keep,
                (None, uri) => Path::Whole(uri.to_owned()),
            },
        }
    }

    /// A redirect that changes nothing.
    pub fn to_itself() -> Self {
        Self { status: 301, scheme: String::new(), authority: String::new(), port: Port::Keep, path: Path::Keep }
    }

    /// As an explanation says it.
    pub fn label(&self) -> String {
        format!("redirect {}", self.status)
    }

    /// The answer to that request.
    pub fn reply(&self, headers: &HeaderMap, matched: Matched, host: &dyn Host, details: String) -> LocalReply {
        let location = self.location(headers, matched, host);
        LocalReply {
            status: self.status,
            headers: vec![(b"location".into(), location)],
            details,
            ..LocalReply::default()
        }
    }

    /// The `location` for that request.
    pub fn location(&self, headers: &HeaderMap, matched: Matched, host: &dyn Host) -> Vec<u8> {
        let scheme = match self.scheme.as_bytes() {
            b"" => headers.first(b":scheme").unwrap_or(b"http"),
            scheme => scheme,
        };
        let port = self.port(host);
        let authority = match self.authority.as_bytes() {
            b"" => own_authority(headers, scheme, port.is_some()),
            authority => authority,
        };
        let mut location = [scheme, b"://", authority].concat();
        if let Some(port) = port {
            location.extend(format!(":{port}").into_bytes());
        }
        let path = self.path(headers.path(), matched);
        if !path.starts_with(b"/") {
            location.push(b'/');
        }
        location.extend(path);
        location
    }

    /// istiod says no port where it is the scheme's own. The scheme is the listener's there, unless the rule has one.
    fn port(&self, host: &dyn Host) -> Option<u32> {
        let port = match self.port {
            Port::Keep => return None,
            Port::Given(port) => port,
            Port::Own => host.integer(&["destination", "port"]).and_then(|port| u32::try_from(port).ok())?,
        };
        let is_tls = || host.property(&["connection", "tls_version"]).is_some_and(|version| !version.is_empty());
        let is_own = match (port, self.scheme.as_str()) {
            (80, "http") | (443, "https") => true,
            (80, "") => !is_tls(),
            (443, "") => is_tls(),
            _ => false,
        };
        Some(port).filter(|_| !is_own)
    }

    fn path(&self, own: &[u8], matched: Matched) -> Vec<u8> {
        let target = Target::parse(own);
        match &self.path {
            Path::Keep => own.to_vec(),
            Path::Prefix(to) => matched.replace(target, to.as_bytes()),
            // The request's query is kept unless the new path brings its own.
            Path::Whole(uri) if uri.contains('?') => uri.as_bytes().to_vec(),
            Path::Whole(uri) => {
                let query = own.iter().position(|byte| *byte == b'?').and_then(|start| own.get(start..));
                [uri.as_bytes(), query.unwrap_or_default()].concat()
            }
        }
    }
}

/// The request's host. Its port goes when there is a new one, or when the scheme changes and the port was the old
/// scheme's own.
fn own_authority<'a>(headers: &'a HeaderMap, scheme: &[u8], has_port: bool) -> &'a [u8] {
    let authority = headers.authority();
    // The colon of a port stands behind the bracket of an IPv6 address.
    let colon = match authority.starts_with(b"[") {
        true => authority.windows(2).rposition(|pair| pair == b"]:").map(|bracket| bracket.saturating_add(1)),
        false => authority.iter().rposition(|byte| *byte == b':'),
    };
    let Some((host, port)) = colon.and_then(|colon| authority.split_at_checked(colon)) else { return authority };
    let old_scheme = headers.first(b"x-forwarded-proto").unwrap_or_default();
    let was_own = matches!((old_scheme, port), (b"https", b":443") | (b"http", b":80"));
    if has_port || (scheme != old_scheme && was_own) { host } else { authority }
}
