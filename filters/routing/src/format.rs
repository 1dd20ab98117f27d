//! Header values with commands, `id-%REQ(x-id)%`: Envoy's header format strings, as far as a filter can compute them
//! exactly. What exactly is, was measured on Envoy 1.40.

mod parse;

use std::rc::Rc;

use pointsman_filter::Request;
use pointsman_host::Host;
use pointsman_http::{Edits, HeaderMap};

use crate::address;

/// A header's value, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Rc<[u8]>),
    /// `%REQ(name?alternative):most%`.
    RequestHeader(Line),
    /// `%RESP(name?alternative):most%`.
    ResponseHeader(Line),
    /// A command without parameters.
    Attribute(&'static Attribute),
}

/// Which header's first line, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// In lower case. `host` is `:authority`.
    name: Rc<[u8]>,
    /// Asked for if there is no line of the name; an empty line is one.
    alternative: Rc<[u8]>,
    /// In bytes.
    most: usize,
}

/// A command that one of the proxy's attributes answers exactly.
#[derive(Debug, PartialEq, Eq)]
struct Attribute {
    command: &'static str,
    path: [&'static str; 2],
    piece: Piece,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Whole,
    Ip,
    Port,
}

const fn attribute(command: &'static str, path: [&'static str; 2], piece: Piece) -> Attribute {
    Attribute { command, path, piece }
}

/// Of a response alone: no request has one before it has been sent.
const UPSTREAM_HOST: &str = "UPSTREAM_HOST";

const SOURCE: [&str; 2] = ["source", "address"];
const DESTINATION: [&str; 2] = ["destination", "address"];

static ATTRIBUTES: [Attribute; 8] = [
    attribute("DOWNSTREAM_REMOTE_ADDRESS", SOURCE, Piece::Whole),
    attribute("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", SOURCE, Piece::Ip),
    attribute("DOWNSTREAM_REMOTE_PORT", SOURCE, Piece::Port),
    attribute("DOWNSTREAM_LOCAL_ADDRESS", DESTINATION, Piece::Whole),
    attribute("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", DESTINATION, Piece::Ip),
    attribute("DOWNSTREAM_LOCAL_PORT", DESTINATION, Piece::Port),
    attribute("PROTOCOL", ["request", "protocol"], Piece::Whole),
    attribute(UPSTREAM_HOST, ["upstream", "address"], Piece::Whole),
];

impl Format {
    /// Reads a value. The error says what is wrong with it, and the cure.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::parts(text).map(|parts| Self { parts })
    }

    /// A value without commands.
    pub fn text(text: &str) -> Self {
        Self { parts: vec![Part::Text(text.as_bytes().into())] }
    }

    /// The value, if it is the same for every request.
    pub fn literal(&self) -> Option<Rc<[u8]>> {
        match self.parts.as_slice() {
            [] => Some(Rc::default()),
            [Part::Text(text)] => Some(text.clone()),
            _ => None,
        }
    }

    /// Whether it tells of the response, and so has no place in a request.
    pub fn is_of_response(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Text(_) | Part::RequestHeader(_) => false,
            Part::ResponseHeader(_) => true,
            Part::Attribute(attribute) => attribute.command == UPSTREAM_HOST,
        })
    }

    /// Whether it needs the response's headers.
    pub fn reads_response(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::ResponseHeader(_)))
    }

    /// The value. A command without an answer says nothing; a value of which nothing is left does nothing.
    pub fn evaluate(&self, scope: &dyn Scope) -> Vec<u8> {
        let mut value = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => value.extend_from_slice(text),
                Part::RequestHeader(line) => line.append_to(&mut value, |name| scope.request(name)),
                Part::ResponseHeader(line) => line.append_to(&mut value, |name| scope.response(name)),
                Part::Attribute(attribute) => {
                    let text = scope.attribute(&attribute.path).unwrap_or_default();
                    value.extend_from_slice(match attribute.piece {
                        Piece::Whole => &text,
                        Piece::Ip => address::split(&text).0,
                        Piece::Port => address::split(&text).1,
                    });
                }
            }
        }
        value
    }
}

impl Line {
    fn append_to<'a>(&'a self, value: &mut Vec<u8>, header: impl Fn(&'a [u8]) -> Option<&'a [u8]>) {
        let line = header(&self.name).or_else(|| header(&self.alternative)).unwrap_or_default();
        value.extend_from_slice(line.get(..self.most).unwrap_or(line));
    }
}

/// What a value is computed from.
pub(crate) trait Scope {
    /// The first line of a request header.
    fn request<'a>(&'a self, name: &'a [u8]) -> Option<&'a [u8]>;

    /// The first line of a response header.
    fn response<'a>(&'a self, name: &'a [u8]) -> Option<&'a [u8]>;

    /// An attribute that is a text.
    fn attribute(&self, path: &[&str]) -> Option<Vec<u8>>;
}

/// For an operation on the request. As Envoy's router applies a level of operations: it sees what earlier levels made
/// of the headers and what this one removed, and nothing of what this one sets and adds.
pub(crate) struct RequestScope<'a> {
    /// As they came.
    pub headers: &'a HeaderMap,
    /// What has been made of them.
    pub edits: &'a Edits,
    pub host: &'a dyn Host,
}

impl Scope for RequestScope<'_> {
    fn request<'a>(&'a self, name: &'a [u8]) -> Option<&'a [u8]> {
        self.edits.first(name, self.headers)
    }

    fn response<'a>(&'a self, _: &'a [u8]) -> Option<&'a [u8]> {
        None
    }

    fn attribute(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.host.property(path)
    }
}

/// For an operation on the response. The request is seen as it was sent, rewrites and all.
pub(crate) struct ResponseScope<'a> {
    pub request: &'a Request,
    /// Whether the request has been sent, or has at least been made ready.
    pub is_sent: bool,
    /// As they came.
    pub headers: &'a HeaderMap,
    /// What has been made of them.
    pub edits: &'a Edits,
    pub host: &'a dyn Host,
}

impl Scope for ResponseScope<'_> {
    fn request<'a>(&'a self, name: &'a [u8]) -> Option<&'a [u8]> {
        match self.is_sent {
            true => self.request.edits.first(name, self.request.headers()),
            false => self.request.headers().first(name),
        }
    }

    fn response<'a>(&'a self, name: &'a [u8]) -> Option<&'a [u8]> {
        self.edits.first(name, self.headers)
    }

    fn attribute(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.host.property(path)
    }
}

#[cfg(test)]
mod tests;
