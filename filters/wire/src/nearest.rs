//! "Did you mean": the known name that is nearest to an unknown one.

/// The nearest of the known names, if one is near enough to be worth naming.
pub(crate) fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A long name may be mistyped more than a short one; snake_case of a camelCase name is always a hit.
    let folded = fold(unknown);
    let most = (folded.chars().count() / 3).max(1);
    known
        .map(|name| (strsim::osa_distance(&folded, &fold(name)), name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// In lower case and without separators. `not…`, as other resources have it, is the same as `without…`; what is nearest
/// to it otherwise is the very opposite.
fn fold(name: &str) -> String {
    let name = match name.strip_prefix("not") {
        Some(rest) => &format!("without{rest}"),
        None => name,
    };
    name.chars().filter(|c| *c != '_' && *c != '-').map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn near_names() {
        let known = ["uri", "headers", "withoutHeaders", "queryParams", "ignoreUriCase"];
        for (unknown, expected) in [
            ("url", Some("uri")),
            ("header", Some("headers")),
            ("ignore_uri_case", Some("ignoreUriCase")),
            ("queryParam", Some("queryParams")),
            ("notHeaders", Some("withoutHeaders")),
            ("not_query_params", None),
            ("WithoutHeader", Some("withoutHeaders")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(unknown, known.into_iter()), expected, "{unknown}");
        }
    }
}
