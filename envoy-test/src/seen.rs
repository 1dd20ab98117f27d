//! What was seen of a request at both of its ends, as lines that can be compared.

use crate::client::Answer;

/// All that the client got, and all that the upstream got, if it was one that echoes: `response NAME: VALUE`, `trailer
/// NAME: VALUE`, `request NAME: VALUE`, with `:body`, and of a request `:method`, `:path`, `:authority` and `:to`.
///
/// `shown` says what is to be seen of a value, by side and name; `None`: nothing. An echo's own length is never seen: it says
/// how long the request's headers were.
pub fn seen(answer: &Answer, shown: impl Fn(&str, &str, &str) -> Option<String>) -> Vec<String> {
    let mut lines = vec![answer.status.to_string()];
    let is_echo =
        serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok_and(|body| body["service"].is_string());
    let mut note = |side: &str, name: &str, value: &str| {
        let is_length = name == "content-length" && is_echo;
        if let Some(value) = shown(side, name, value).filter(|_| !is_length) {
            lines.push(format!("{side} {name}: {value}"));
        }
    };
    if is_echo {
        let echo = answer.echo();
        for (name, value) in
            [(":method", &echo.method), (":path", &echo.path), (":authority", &echo.authority), (":to", &echo.service)]
        {
            note("request", name, value);
        }
        note("request", ":body", &echo.body_length.to_string());
        echo.headers.iter().for_each(|(name, value)| note("request", name, value));
    } else {
        note("response", ":body", &answer.text());
    }
    for (side, headers) in [("response", &answer.headers), ("trailer", &answer.trailers)] {
        headers
            .iter()
            .for_each(|(name, value)| note(side, name.as_str(), &value.as_bytes().escape_ascii().to_string()));
    }
    // The order of different names says nothing, that of one name's lines does.
    lines.sort_by(|a, b| a.split(": ").next().cmp(&b.split(": ").next()));
    lines
}
