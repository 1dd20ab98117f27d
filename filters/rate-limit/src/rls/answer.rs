//! `RateLimitResponse`.

use std::time::Duration;

use super::fields::{Payload, field};

/// A message longer than this is none: nobody needs to fetch it from the proxy.
pub const MOST_BYTES: usize = 256 * 1024;
/// Of each list of headers.
const MOST_HEADERS: usize = 64;
const MOST_STATUSES: usize = 64;
const MOST_HEADER_BYTES: usize = 16 * 1024;
const MOST_BODY_BYTES: usize = 64 * 1024;

/// What the service says. All texts are bytes: nothing here needs them to be UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer<'a> {
    /// What to do with the request.
    pub code: Code,
    /// One for each descriptor that was asked for, in their order: not checked here.
    pub statuses: Vec<Status<'a>>,
    /// For the response, whatever the code.
    pub response_headers: Vec<HeaderLine<'a>>,
    /// For the request, if it passes.
    pub request_headers: Vec<HeaderLine<'a>>,
    /// Of the response to a request that does not.
    pub body: &'a [u8],
    /// There was more than what is taken over: 64 statuses, 64 headers of 16 KiB in all in each list, a body of 64 KiB.
    pub cut: bool,
}

/// What the service thinks of the request, or of one of its descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Code {
    /// None of the others. Envoy lets such a request pass.
    #[default]
    Unknown,
    /// Within the limits.
    Ok,
    /// Beyond one.
    OverLimit,
}

/// How it stands with a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status<'a> {
    /// What the service thinks of it.
    pub code: Code,
    /// The limit that it met, if any.
    pub limit: Option<Limit<'a>>,
    /// How many more requests there may be.
    pub remaining: u32,
    /// When the limit counts anew. What is past is now.
    pub until_reset: Option<Duration>,
}

/// A limit of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit<'a> {
    /// How many requests there may be in each window.
    pub requests: u32,
    /// How many seconds that is, a month having 30 days and a year 365. 0: a unit that Envoy does not know either.
    pub window: u32,
    /// The limit's name; many have none.
    pub name: &'a [u8],
}

/// A header to add. Neither name nor value is checked here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderLine<'a> {
    /// As the service writes it: not always in lower case.
    pub name: &'a [u8],
    /// `value`, or if there is none, `raw_value`.
    pub value: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Reads a message. `None`: it is none, or too long.
    ///
    /// A field of another type than it has in the protocol makes it none, too: a service that writes such messages speaks
    /// another protocol, and what it means by the rest is not known. Fields that are not known are skipped.
    pub fn read(mut bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > MOST_BYTES {
            return None;
        }
        let mut answer = Self::default();
        let mut room = [MOST_HEADER_BYTES; 2];
        let [response_room, request_room] = &mut room;
        while !bytes.is_empty() {
            let fits = match field(&mut bytes)? {
                (1, Payload::Varint(number)) => {
                    answer.code = Code::from_number(number);
                    true
                }
                (2, Payload::Bytes(status)) => push(&mut answer.statuses, Status::read(status)?, MOST_STATUSES),
                (3, Payload::Bytes(line)) => {
                    HeaderLine::read(line)?.push_to(&mut answer.response_headers, response_room)
                }
                (4, Payload::Bytes(line)) => HeaderLine::read(line)?.push_to(&mut answer.request_headers, request_room),
                (5, Payload::Bytes(body)) => {
                    // Half a body may be worse than none.
                    let fits = body.len() <= MOST_BODY_BYTES;
                    answer.body = if fits { body } else { &[] };
                    fits
                }
                (1..=5, _) => return None,
                _ => true,
            };
            answer.cut |= !fits;
        }
        Some(answer)
    }
}

impl Code {
    fn from_number(number: u64) -> Self {
        // An enum has 32 bits.
        match number as u32 {
            1 => Self::Ok,
            2 => Self::OverLimit,
            _ => Self::Unknown,
        }
    }
}

impl<'a> Status<'a> {
    fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let mut status = Self::default();
        let mut reset = None;
        while !bytes.is_empty() {
            match field(&mut bytes)? {
                (1, Payload::Varint(number)) => status.code = Code::from_number(number),
                // A message that comes in parts is all of them together.
                (2, Payload::Bytes(part)) => status.limit.get_or_insert_default().read(part)?,
                (3, Payload::Varint(number)) => status.remaining = number as u32,
                (4, Payload::Bytes(part)) => read_duration(part, reset.get_or_insert_default())?,
                (1..=4, _) => return None,
                _ => {}
            }
        }
        status.until_reset = reset.map(|(seconds, nanos)| match u64::try_from(seconds) {
            Ok(seconds) => Duration::new(seconds, u32::try_from(nanos).map_or(0, |nanos| nanos.min(999_999_999))),
            Err(_) => Duration::ZERO,
        });
        Some(status)
    }
}

/// `google.protobuf.Duration`.
fn read_duration(mut bytes: &[u8], (seconds, nanos): &mut (i64, i32)) -> Option<()> {
    while !bytes.is_empty() {
        match field(&mut bytes)? {
            (1, Payload::Varint(number)) => *seconds = number as i64,
            (2, Payload::Varint(number)) => *nanos = number as i32,
            (1 | 2, _) => return None,
            _ => {}
        }
    }
    Some(())
}

impl<'a> Limit<'a> {
    fn read(&mut self, mut bytes: &'a [u8]) -> Option<()> {
        while !bytes.is_empty() {
            match field(&mut bytes)? {
                (1, Payload::Varint(number)) => self.requests = number as u32,
                (2, Payload::Varint(unit)) => self.window = seconds_of(unit as u32),
                (3, Payload::Bytes(name)) => self.name = name,
                (1..=3, _) => return None,
                _ => {}
            }
        }
        Some(())
    }
}

/// The seconds of a unit: SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, WEEK, from 1 on.
fn seconds_of(unit: u32) -> u32 {
    const DAY: u32 = 86_400;
    match unit {
        1 => 1,
        2 => 60,
        3 => 3_600,
        4 => DAY,
        5 => 30 * DAY,
        6 => 365 * DAY,
        7 => 7 * DAY,
        _ => 0,
    }
}

impl<'a> HeaderLine<'a> {
    fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let (mut line, mut raw) = (Self::default(), &[][..]);
        while !bytes.is_empty() {
            match field(&mut bytes)? {
                (1, Payload::Bytes(name)) => line.name = name,
                (2, Payload::Bytes(value)) => line.value = value,
                (3, Payload::Bytes(value)) => raw = value,
                (1..=3, _) => return None,
                _ => {}
            }
        }
        if line.value.is_empty() {
            line.value = raw;
        }
        Some(line)
    }

    /// Whether there was room for it.
    fn push_to(self, lines: &mut Vec<Self>, room: &mut usize) -> bool {
        let length = self.name.len().saturating_add(self.value.len());
        match room.checked_sub(length) {
            Some(left) if push(lines, self, MOST_HEADERS) => {
                *room = left;
                true
            }
            _ => false,
        }
    }
}

/// Whether there was room for it.
fn push<T>(list: &mut Vec<T>, item: T, most: usize) -> bool {
    let fits = list.len() < most;
    if fits {
        list.push(item);
    }
    fits
}
