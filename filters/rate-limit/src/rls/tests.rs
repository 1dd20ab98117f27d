//! Against the messages as `prost` derives them.

/// The messages as `prost` derives them: those that the tests on Envoy have.
#[allow(dead_code)]
#[path = "../../../../envoy-test/src/rls.rs"]
pub mod messages;

use super::*;
use messages::{
    DescriptorStatus, Duration, Entry, HeaderValue, RateLimit, RateLimitDescriptor, RateLimitRequest, RateLimitResponse,
};
use pointsman_host::Random;
use prost::Message;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn descriptor(entries: &[(&str, &str)], hits: Option<u64>) -> RateLimitDescriptor {
    let entry = |&(key, value): &(&str, &str)| Entry { key: key.into(), value: value.into() };
    RateLimitDescriptor { entries: entries.iter().map(entry).collect(), hits_addend: hits }
}

#[test]
fn asks() {
    let long = "long ".repeat(1_000);
    for descriptors in [
        vec![],
        vec![descriptor(&[], None)],
        vec![descriptor(&[("generic_key", "a")], None)],
        vec![
            descriptor(&[("k", ""), ("k", "v"), ("k", &long), ("ключ", "値")], Some(0)),
            descriptor(&[], Some(u64::MAX)),
        ],
        vec![descriptor(&[("a", "b")], Some(300)); 100],
    ] {
        for (domain, hits_addend) in [("edge", 0), ("", 1), (&long, 128), ("d", u32::MAX)] {
            let mut ask = Ask::new(domain, hits_addend);
            for descriptor in &descriptors {
                let entries = descriptor.entries.iter().map(|entry| (entry.key.as_bytes(), entry.value.as_bytes()));
                ask.descriptor(entries, descriptor.hits_addend);
            }
            let expected = RateLimitRequest { domain: domain.into(), descriptors: descriptors.clone(), hits_addend };
            assert_eq!(RateLimitRequest::decode(&*ask.into_bytes()), Ok(expected));
        }
    }
}

#[test]
fn every_text_is_utf_8() {
    for (value, expected) in [
        (&b"\xff"[..], "\u{fffd}"),
        (b"a\xc3", "a\u{fffd}"),
        (b"a\xc3(b", "a\u{fffd}(b"),
        (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\xf0\x9f\x98 \xe2\x82\xac", "\u{fffd} \u{20ac}"),
        ("\u{fffd}".as_bytes(), "\u{fffd}"),
    ] {
        let mut ask = Ask::new("d", 0);
        ask.descriptor([(value, &b"v"[..]), (b"k", value)], None);
        let read = RateLimitRequest::decode(&*ask.into_bytes()).unwrap();
        assert_eq!(read.descriptors, [descriptor(&[(expected, "v"), ("k", expected)], None)], "{value:?}");
    }
}

/// What that message is to say, by the words of the protocol.
fn answer(message: &RateLimitResponse) -> Answer<'_> {
    const WINDOWS: [u32; 8] = [0, 1, 60, 3_600, 86_400, 2_592_000, 31_536_000, 604_800];
    let code = |code| match code {
        1 => Code::Ok,
        2 => Code::OverLimit,
        _ => Code::Unknown,
    };
    fn line(HeaderValue { key, value, raw_value }: &HeaderValue) -> HeaderLine<'_> {
        HeaderLine { name: key, value: if value.is_empty() { raw_value } else { value } }
    }
    let mut answer = Answer { code: code(message.overall_code), body: &message.raw_body, ..Answer::default() };
    answer.response_headers.extend(message.response_headers_to_add.iter().map(line));
    answer.request_headers.extend(message.request_headers_to_add.iter().map(line));
    for status in &message.statuses {
        answer.statuses.push(Status {
            code: code(status.code),
            limit: status.current_limit.as_ref().map(|RateLimit { requests_per_unit, unit, name }| Limit {
                requests: *requests_per_unit,
                window: usize::try_from(*unit).ok().and_then(|unit| WINDOWS.get(unit).copied()).unwrap_or(0),
                name,
            }),
            remaining: status.limit_remaining,
            until_reset: status.duration_until_reset.as_ref().map(|Duration { seconds, nanos }| {
                let nanos = if *seconds < 0 { 0 } else { (*nanos).clamp(0, 999_999_999) };
                std::time::Duration::new(seconds.max(&0).unsigned_abs(), nanos.unsigned_abs())
            }),
        });
    }
    answer
}

#[test]
fn an_answer() {
    let message = RateLimitResponse {
        overall_code: 2,
        statuses: vec![
            DescriptorStatus {
                code: 2,
                current_limit: Some(RateLimit { requests_per_unit: 3, unit: 2, name: "per user".into() }),
                limit_remaining: 0,
                duration_until_reset: Some(Duration { seconds: 17, nanos: 500_000_000 }),
            },
            DescriptorStatus { code: 1, limit_remaining: u32::MAX, ..DescriptorStatus::default() },
        ],
        response_headers_to_add: vec![
            header("X-RateLimit-Limit", "3, 3;w=60", ""),
            header("b", "", "\u{ff}"),
            header("", "first", "second"),
        ],
        request_headers_to_add: vec![header("x-tier", "gold", "")],
        raw_body: b"slow down".to_vec(),
    };
    let bytes = message.encode_to_vec();
    let read = Answer::read(&bytes).unwrap();
    assert_eq!(read, answer(&message));
    assert_eq!((read.code, read.body, read.cut), (Code::OverLimit, &b"slow down"[..], false));
    let limit = Limit { requests: 3, window: 60, name: b"per user" };
    let until_reset = Some(std::time::Duration::from_millis(17_500));
    assert_eq!(read.statuses[0], Status { code: Code::OverLimit, limit: Some(limit), remaining: 0, until_reset });
    assert_eq!(read.statuses[1], Status { code: Code::Ok, remaining: u32::MAX, ..Status::default() });
    assert_eq!(read.response_headers[1], HeaderLine { name: b"b", value: "\u{ff}".as_bytes() });
    assert_eq!(read.response_headers[2], HeaderLine { name: b"", value: b"first" });
    assert_eq!(read.request_headers, [HeaderLine { name: b"x-tier", value: b"gold" }]);
    assert_eq!(Answer::read(b""), Some(Answer::default()));
}

fn header(key: &str, value: &str, raw_value: &str) -> HeaderValue {
    HeaderValue { key: key.into(), value: value.into(), raw_value: raw_value.into() }
}

/// A message within another may come in parts; of a number the last counts, in its lower 32 bits if it has no more.
#[test]
fn parts() {
    let limit = [&b"\x12\x02\x08\x03"[..], b"\x12\x02\x10\x01", b"\x12\x03\x1a\x01n"].concat();
    let reset = b"\x22\x02\x08\x05\x22\x02\x10\x07";
    let status = [&limit[..], reset].concat();
    let bytes = [&b"\x08\x01\x12"[..], &[status.len() as u8], &status, b"\x08\x82\x80\x80\x80\x10"].concat();
    let read = Answer::read(&bytes).unwrap();
    let limit = Some(Limit { requests: 3, window: 1, name: b"n" });
    let until_reset = Some(std::time::Duration::new(5, 7));
    assert_eq!(read.statuses, [Status { limit, until_reset, ..Status::default() }]);
    assert_eq!(read.code, Code::OverLimit);
    assert_eq!(read, answer(&RateLimitResponse::decode(&*bytes).unwrap()));
}

#[test]
fn windows() {
    for (unit, window) in [(-1, 0), (0, 0), (1, 1), (3, 3_600), (5, 2_592_000), (7, 604_800), (8, 0), (i32::MAX, 0)] {
        let current_limit = Some(RateLimit { requests_per_unit: 1, unit, name: vec![] });
        let statuses = vec![DescriptorStatus { current_limit, ..DescriptorStatus::default() }];
        let bytes = RateLimitResponse { statuses, ..RateLimitResponse::default() }.encode_to_vec();
        assert_eq!(Answer::read(&bytes).unwrap().statuses[0].limit.unwrap().window, window, "{unit}");
    }
}

#[test]
fn what_is_too_much_is_left_out() {
    let status = DescriptorStatus { limit_remaining: 7, ..DescriptorStatus::default() };
    let (line, long) = (header("a", "b", ""), header("", &"v".repeat(16_384), ""));
    let longer = header("a", &long.value.escape_ascii().to_string(), "");
    let body = vec![b'x'; 65_536];
    let with = |change: &dyn Fn(&mut RateLimitResponse)| {
        let mut message = RateLimitResponse { overall_code: 2, ..RateLimitResponse::default() };
        change(&mut message);
        let bytes = message.encode_to_vec();
        let read = Answer::read(&bytes).unwrap();
        assert_eq!(read.code, Code::OverLimit);
        (read.statuses.len(), read.response_headers.len(), read.request_headers.len(), read.body.len(), read.cut)
    };
    assert_eq!(with(&|message| message.statuses = vec![status.clone(); 64]), (64, 0, 0, 0, false));
    assert_eq!(with(&|message| message.statuses = vec![status.clone(); 65]), (64, 0, 0, 0, true));
    assert_eq!(with(&|message| message.response_headers_to_add = vec![line.clone(); 64]), (0, 64, 0, 0, false));
    assert_eq!(with(&|message| message.response_headers_to_add = vec![line.clone(); 65]), (0, 64, 0, 0, true));
    assert_eq!(with(&|message| message.request_headers_to_add = vec![line.clone(); 65]), (0, 0, 64, 0, true));
    // What is too long itself takes no room from others.
    let lines = vec![longer, long.clone()];
    assert_eq!(with(&|message| message.response_headers_to_add = lines.clone()), (0, 1, 0, 0, true));
    assert_eq!(with(&|message| message.request_headers_to_add = vec![long.clone(); 2]), (0, 0, 1, 0, true));
    let both = |message: &mut RateLimitResponse| {
        message.response_headers_to_add = vec![long.clone()];
        message.request_headers_to_add = vec![long.clone()];
    };
    assert_eq!(with(&both), (0, 1, 1, 0, false));
    assert_eq!(with(&|message| message.raw_body = body.clone()), (0, 0, 0, 65_536, false));
    assert_eq!(with(&|message| message.raw_body = [&body[..], b"x"].concat()), (0, 0, 0, 0, true));

    let of_length = |length| RateLimitResponse { raw_body: vec![b'x'; length], ..Default::default() }.encode_to_vec();
    let most = of_length(MOST_BYTES - 4);
    assert_eq!((most.len(), Answer::read(&most).is_some()), (MOST_BYTES, true));
    assert_eq!(Answer::read(&of_length(MOST_BYTES - 3)), None);
}

#[test]
fn what_is_no_answer() {
    for bytes in [
        &b"\x00"[..],                                    // field 0
        b"\x08",                                         // a number that is not there
        b"\x08\x80",                                     // one that ends in its middle
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", // one of 65 bits
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\x01\x02",             // overall_code as bytes
        b"\x0d\x02\x00\x00\x00",     // as a number of 4 bytes
        b"\x10\x01",                 // statuses as a number
        b"\x12\x02\x08",             // longer than what there is
        b"\x12\xff\xff\xff\xff\x0f", // much longer
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x12\x02\x12\x01",         // the same within
        b"\x12\x02\x10\x01",         // current_limit as a number
        b"\x12\x03\x12\x01\x08",     // a number within it that is not there
        b"\x12\x04\x22\x02\x0a\x00", // seconds as bytes
        b"\x1a\x02\x08\x01",         // a header's name as a number
        b"\x28\x01",                 // raw_body as a number
        b"\x33\x34",                 // a group
        b"\x33",                     // that does not end
        b"\x34",                     // or begin
        b"\x36",
        b"\x37",                     // types that there are not
        b"\x31\x00\x00",             // a fixed number that ends in its middle
        b"\x88\x80\x80\x80\x10\x01", // a field's number of more than 32 bits with its type
    ] {
        assert_eq!(Answer::read(bytes), None, "{bytes:x?}");
    }
}

#[test]
fn what_is_unknown_is_skipped() {
    for unknown in [
        &b"\x32\x02\xff\xff"[..], // dynamic_metadata, whatever it is
        b"\x3a\x00",              // quota
        b"\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x41\x01\x02\x03\x04\x05\x06\x07\x08",
        b"\x45\x01\x02\x03\x04",
        b"\xfa\xff\xff\xff\x0f\x01\x00", // the highest number of a field
    ] {
        let bytes = [unknown, b"\x08\x02", unknown, b"\x12\x02\x18\x05", unknown].concat();
        let read = Answer::read(&bytes).unwrap();
        assert_eq!((read.code, read.statuses[0].remaining), (Code::OverLimit, 5), "{unknown:x?}");
    }
}

fn any_message(random: &mut Random) -> RateLimitResponse {
    fn list<T>(random: &mut Random, item: impl Fn(&mut Random) -> T) -> Vec<T> {
        (0..random.below(4)).map(|_| item(random)).collect()
    }
    fn bytes(random: &mut Random) -> Vec<u8> {
        let length = [0, 1, 3, 10, 130][random.below(5) as usize];
        (0..length).map(|_| random.next() as u8).collect()
    }
    /// Of any magnitude.
    fn number(random: &mut Random) -> u64 {
        random.next() >> random.below(64)
    }
    fn header(random: &mut Random) -> HeaderValue {
        HeaderValue { key: bytes(random), value: bytes(random), raw_value: bytes(random) }
    }
    let status = |random: &mut Random| DescriptorStatus {
        code: random.below(4) as i32,
        current_limit: (random.below(2) == 0).then(|| RateLimit {
            requests_per_unit: number(random) as u32,
            unit: random.below(10) as i32,
            name: bytes(random),
        }),
        limit_remaining: number(random) as u32,
        duration_until_reset: (random.below(2) == 0)
            .then(|| Duration { seconds: number(random) as i64, nanos: number(random) as i32 }),
    };
    RateLimitResponse {
        overall_code: [0, 1, 2, 3, 257, 258, -1][random.below(7) as usize],
        statuses: list(random, status),
        response_headers_to_add: list(random, header),
        request_headers_to_add: list(random, header),
        raw_body: bytes(random),
    }
}

/// Messages, parts of them, two in one, such with changed bytes, and bytes that are nothing at all: what `prost` reads is
/// read as the same, and what it does not, is not. (But for groups, which it skips.)
#[test]
fn read_as_prost_reads_it() {
    let mut random = Random::new(7);
    let (mut messages, mut others, mut groups) = (0, 0, 0);
    for _ in 0..20_000 {
        let mut bytes = any_message(&mut random).encode_to_vec();
        match random.below(6) {
            0 => bytes.extend(any_message(&mut random).encode_to_vec()),
            1 => bytes.truncate(random.below(bytes.len() as u64 + 1) as usize),
            2 => bytes = (0..random.below(12)).map(|_| random.next() as u8).collect(),
            3 => bytes = (0..random.below(12)).map(|_| random.below(32) as u8).collect(),
            4 => {
                for _ in 0..random.below(3) {
                    let place = random.below(bytes.len() as u64 + 1) as usize;
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte = random.next() as u8;
                    }
                }
            }
            _ => {}
        }
        match (RateLimitResponse::decode(&*bytes), Answer::read(&bytes)) {
            (Ok(message), Some(read)) => {
                assert_eq!(read, answer(&message), "{bytes:x?}");
                messages += 1;
            }
            (Ok(_), None) if bytes.iter().any(|byte| byte & 7 == 3) => groups += 1,
            (Err(_), None) => others += 1,
            (message, read) => panic!("{message:?}, but {read:?} of {bytes:x?}"),
        }
    }
    assert!(messages > 8_000 && others > 3_000 && groups < 300, "{messages} {others} {groups}");
}
