//! Rate-limit services: what they are asked can be read, and what they answer is made of choices.

use pointsman_filter::{Answer, GrpcCall};
use prost::Message;

use crate::choices::Choices;

/// What a service says to a question.
#[derive(Debug)]
pub enum Reply {
    Nothing,
    Error(u32),
    Message(Vec<u8>),
}

impl Reply {
    pub fn new(choices: &mut Choices<'_>) -> Self {
        match choices.below(8) {
            7 => Self::Nothing,
            1 => Self::Error(choices.pick(&[14, 4, 1])),
            2 => Self::Message(choices.raw(40).to_vec()),
            _ => Self::Message(message(choices)),
        }
    }

    pub fn answer(&self) -> Answer {
        match self {
            Self::Nothing => Answer::Failed,
            Self::Error(status) => Answer::Grpc { status: *status, message: Vec::new() },
            Self::Message(message) => Answer::Grpc { status: 0, message: message.clone() },
        }
    }
}

/// What a header has that only a service has said.
pub const SAID: &[u8] = b"by-a-service";

/// Headers that no service may set, among others.
const NAMES: [&[u8]; 16] = [
    b"x-plan",
    b"X-Plan",
    b"x-pointsman-cluster",
    b"x-pointsman-mirror",
    b"x-pointsman-policy",
    b"X-Cluster",
    b"x-envoy-max-retries",
    b":path",
    b"Host",
    b"content-length",
    b"retry-after",
    b"X-RateLimit-Reset",
    b"bad name",
    b"",
    b"x\r\ny",
    b"\xff",
];

const VALUES: [&[u8]; 7] = [SAID, b"1", b"\r\nx-injected: 1", b"", b"18446744073709551615", b"\xff", b"a\0b"];

const LIMITS: [&[u8]; 6] = [b"n", b"a\"b", b"a\r\nx-injected: 1", b"\0", b"\xff", &[b'n'; 500]];

/// A `RateLimitResponse`, some of them cut off.
fn message(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut message = number(1, choices.pick(&[1, 2, 1, 2, 0]));
    let parts = [
        choices.list(3, |choices| (2, status(choices))),
        choices.list(2, |choices| (3, header(choices))),
        choices.list(2, |choices| (4, header(choices))),
    ];
    parts.iter().flatten().for_each(|(field, part)| message.extend(bytes(*field, part)));
    if choices.one_in(3) {
        message.extend(bytes(5, b"no"));
    }
    if choices.one_in(8) {
        message.truncate(choices.below(40));
    }
    message
}

fn status(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut status = number(1, choices.pick(&[1, 2, 2, 0]));
    if choices.one_in(2) {
        let unit = [number(1, choices.pick(&[1, 1_000, u64::MAX])), number(2, choices.pick(&[1, 2, 7, 99]))].concat();
        status.extend(bytes(2, &[unit, bytes(3, choices.pick(&LIMITS))].concat()));
    }
    status.extend(number(3, choices.pick(&[0, 1, u64::MAX])));
    if choices.one_in(2) {
        let seconds = choices.pick(&[1, 20, 0, u64::MAX, i64::MAX as u64]);
        status.extend(bytes(4, &[number(1, seconds), number(2, choices.pick(&[0, 999_999_999, u64::MAX]))].concat()));
    }
    status
}

fn header(choices: &mut Choices<'_>) -> Vec<u8> {
    let name = choices.pick(&NAMES);
    [bytes(1, name), bytes(choices.pick(&[2, 3]), choices.pick(&VALUES))].concat()
}

fn number(field: u8, mut number: u64) -> Vec<u8> {
    let mut bytes = vec![field << 3];
    while number > 127 {
        bytes.push((number & 127) as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = number(field, content.len() as u64);
    bytes[0] |= 2;
    bytes.extend(content);
    bytes
}

/// A `RateLimitRequest`, whose texts are UTF-8.
#[derive(Message)]
struct Question {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(message, repeated, tag = "2")]
    descriptors: Vec<Descriptor>,
    #[prost(uint32, tag = "3")]
    hits: u32,
}

#[derive(Message)]
struct Descriptor {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
    #[prost(message, optional, tag = "3")]
    hits: Option<u64>,
}

#[derive(Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// A service can read what it is asked, and there is something to answer.
pub fn can_be_answered(call: &GrpcCall) {
    let question = Question::decode(call.message.as_slice()).unwrap();
    assert!(!question.domain.is_empty() && !question.descriptors.is_empty(), "{question:?}");
    for descriptor in &question.descriptors {
        assert!(!descriptor.entries.is_empty(), "{question:?}");
        assert!(descriptor.entries.iter().all(|entry| !entry.key.is_empty()), "{question:?}");
        // What is said twice is said differently by different services.
        assert!(question.hits == 0 || descriptor.hits.is_none(), "{question:?}");
    }
    assert!(!call.cluster.is_empty() && !call.timeout.is_zero(), "{call:?}");
}
