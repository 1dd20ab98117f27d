//! Names of headers, as they are written and as the header map has them.

use std::rc::Rc;

/// RFC 9110's token: what a header's and a cookie's name is made of.
pub fn is_token(text: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_of_token)
}

/// As the header map of a request has it: in lower case, and the host as `:authority`.
pub fn in_map(name: &str) -> Rc<[u8]> {
    match name.to_ascii_lowercase() {
        host if host == "host" => b":authority".as_slice().into(),
        name => name.into_bytes().into(),
    }
}
