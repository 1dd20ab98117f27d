//! Query parameters.

use pointsman_http::query::{first, params};

/// The parameters are those that Envoy's loop over the text finds; `%` and `+` mean nothing.
pub fn query(bytes: &[u8]) {
    let expected = read(bytes);
    let found: Vec<_> = params(bytes).collect();
    assert_eq!(found, expected);
    for (name, _) in &expected {
        let value = expected.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
        assert_eq!(first(bytes, name), value);
    }
    // Put together again it is the same text, but for `=` where there was no value, and one `&` at the end.
    let joined = expected.iter().map(|(name, value)| [*name, b"=", *value].concat()).collect::<Vec<_>>().join(&b'&');
    assert_eq!(read(&joined), expected);
}

/// As Envoy reads a query: from each start to the next `&`, as long as there is a start.
pub fn read(query: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut parameters = Vec::new();
    let mut start = 0;
    while start < query.len() {
        let mut end = start;
        let mut equals = None;
        while end < query.len() && query[end] != b'&' {
            if query[end] == b'=' && equals.is_none() {
                equals = Some(end);
            }
            end += 1;
        }
        parameters.push(match equals {
            Some(equals) => (&query[start..equals], &query[equals + 1..end]),
            None => (&query[start..end], &query[end..end]),
        });
        start = end + 1;
    }
    parameters
}
