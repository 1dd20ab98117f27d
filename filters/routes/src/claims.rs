//! Conditions on the claims of a JSON Web Token: `@request.auth.claims.x.y` or `@request.auth.claims[x][y]` in place
//! of a header's name. Envoy's jwt_authn filter, which has checked the token before us, leaves the claims in metadata.

use pointsman_host::Host;
use pointsman_http::{HeaderMap, StringMatch};

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
        let matched = texts(&path, host).iter().any(|text| self.matcher.matches(text));
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

/// The texts of a claim: itself, or those in its list. Nothing else can match, as in Envoy.
///
/// The proxy hands over a text as it is, a number as the 8 bytes of a double, a truth value as 1 byte, an object in the
/// form of a header map, and a list as an object whose members' names are the elements and whose values are empty. A
/// path goes into a list, too, by an element's place.
fn texts(path: &[&str], host: &dyn Host) -> Vec<Vec<u8>> {
    let is_place = |name: &&str| name.trim().parse::<i32>().is_ok();
    let goes_into_list = |(place, _): (usize, &&str)| {
        let around = path.get(..place).unwrap_or_default();
        host.property(around).is_some_and(|value| elements(&value, around, host).is_some())
    };
    if path.iter().enumerate().filter(|(_, name)| is_place(name)).any(goes_into_list) {
        return Vec::new();
    }
    let Some(value) = host.property(path) else { return Vec::new() };
    let mut texts = elements(&value, path, host).unwrap_or_else(|| vec![value]);
    texts.retain(|text| is_text(text));
    texts
}

/// The elements, if the value is that of a list: then the first one is there by its place, too.
fn elements(value: &[u8], path: &[&str], host: &dyn Host) -> Option<Vec<Vec<u8>>> {
    let members = members(value)?;
    let elements: Vec<Vec<u8>> = members.iter().map(|(element, _)| element.to_vec()).collect();
    let first = || host.property(&[path, &["0"]].concat());
    let is_list = members.iter().all(|(_, value)| value.is_empty())
        && (elements.is_empty() || elements.first() == first().as_ref());
    is_list.then_some(elements)
}

fn members(value: &[u8]) -> Option<HeaderMap> {
    HeaderMap::parse(value.to_vec()).ok().filter(|_| !value.is_empty())
}

/// Whether it is neither a truth value nor a number nor an object. A text of 8 bytes has no control characters, which
/// the bytes of no number in use are without, or are not even UTF-8.
pub fn is_text(value: &[u8]) -> bool {
    match value.len() {
        1 => !matches!(value, [0 | 1]),
        8 => std::str::from_utf8(value).is_ok_and(|text| !text.chars().any(char::is_control)),
        _ => members(value).is_none(),
    }
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
