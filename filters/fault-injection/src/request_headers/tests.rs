use super::*;
use crate::config::{Abort, Delay, Throughput};
use pointsman_wire::{Decode, decode};
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn headers(lines: &[(&[u8], &str)]) -> HeaderMap {
    HeaderMap::parse(HeaderMap::serialize(lines)).unwrap()
}

fn read<T: Decode>(value: &Value) -> T {
    let (read, report) = decode::<T>(value);
    read.unwrap_or_else(|| panic!("{:?}", report.errors()))
}

fn all(measure: &str) -> Value {
    json!({measure: {}, "percentage": {"value": 100}})
}

#[test]
fn what_is_a_number() {
    for (text, expected) in [
        (&b"0"[..], Some(0)),
        (b"418", Some(418)),
        (b"+418", Some(418)),
        (b"0418", Some(418)),
        (b" \t\n\x0b\x0c\r418 \t\n\x0b\x0c\r", Some(418)),
        (b"18446744073709551615", Some(u64::MAX)),
        (b"00000000000000000000000000000000018446744073709551615", Some(u64::MAX)),
        (b"18446744073709551616", None),
        (b"18446744073709551620", None),
        (b"99999999999999999999999999999", None),
        (b"", None),
        (b" ", None),
        (b"+", None),
        (b"++1", None),
        (b"+ 1", None),
        (b"-1", None),
        (b"-0", None),
        (b"4 18", None),
        (b"418ms", None),
        (b"0x10", None),
        (b"1e2", None),
        (b"1.0", None),
        (b"1,000", None),
        (b"\x001", None),
        (b"1\x00", None),
        (b"\xff", None),
        (b"\xa01", None),
        ("１".as_bytes(), None),
    ] {
        assert_eq!(number(text), expected, "{}", text.escape_ascii());
    }
}

#[test]
fn delays() {
    let delay: Delay = read(&all("headerDelay"));
    for (value, expected) in [
        ("1", Some(1)),
        ("300", Some(300)),
        ("0", None),
        ("x", None),
        ("9223372036854775807", Some(9_223_372_036_854_775_807)),
        ("9223372036854775808", None),
        ("18446744073709551615", None),
        ("18446744073709551616", None),
    ] {
        let measure = delay.measure(&headers(&[(DELAY, value)]));
        assert_eq!(measure, expected.map(Duration::from_millis), "{value}");
    }
    assert_eq!(delay.measure(&headers(&[])), None);
    assert_eq!(delay.measure(&headers(&[(DELAY, "x"), (DELAY, "1")])), None);
    assert_eq!(delay.measure(&headers(&[(DELAY, "1"), (DELAY, "2")])), Some(Duration::from_millis(1)));
}

/// Seen to be so in Envoy 1.40.
#[test]
fn aborts() {
    let abort: Abort = read(&all("headerAbort"));
    let (http, grpc) = (Status::Http, Status::Grpc);
    for (lines, expected) in [
        (&[(ABORT, "200")][..], Some(http(200))),
        (&[(ABORT, "599")], Some(http(599))),
        (&[(ABORT, "+418")], Some(http(418))),
        (&[(ABORT, "199")], None),
        (&[(ABORT, "600")], None),
        (&[(ABORT, "4294967496")], None),
        (&[(ABORT, "-418")], None),
        (&[(ABORT, "418"), (ABORT, "503")], Some(http(418))),
        (&[(ABORT, "x"), (ABORT, "503")], None),
        (&[(GRPC_ABORT, "0")], Some(grpc(0))),
        (&[(GRPC_ABORT, "16")], Some(grpc(16))),
        (&[(GRPC_ABORT, "17")], Some(grpc(17))),
        (&[(GRPC_ABORT, "4294967295")], Some(grpc(u32::MAX))),
        (&[(GRPC_ABORT, "4294967296")], None),
        (&[(GRPC_ABORT, "UNAVAILABLE")], None),
        (&[(GRPC_ABORT, "5"), (ABORT, "418")], Some(http(418))),
        (&[(GRPC_ABORT, "5"), (ABORT, "600")], Some(grpc(5))),
        (&[(GRPC_ABORT, "x"), (ABORT, "600")], None),
        (&[], None),
    ] {
        assert_eq!(abort.measure(&headers(lines)), expected, "{lines:?}");
    }
}

#[test]
fn throughputs() {
    let throughput: Throughput = read(&all("headerLimit"));
    for (value, expected) in [("1", Some(1)), ("18446744073709551615", Some(u64::MAX)), ("0", None), ("1.5", None)] {
        let measure = throughput.measure(&headers(&[(THROUGHPUT, value)]));
        assert_eq!(measure.map(|measure| measure.0.get()), expected, "{value}");
    }
    let measure = throughput.measure(&headers(&[(THROUGHPUT, "2")])).unwrap();
    assert_eq!(measure.bytes().get(), 2048);
    assert_eq!(KibPerSecond(NonZeroU64::MAX).bytes().get(), u64::MAX);
}

#[test]
fn what_is_configured_does_not_ask_the_request() {
    let delay: Delay = read(&json!({"fixedDelay": "5s", "percentage": {"numerator": 30}}));
    let abort: Abort = read(&json!({"httpStatus": 503, "percentage": {"numerator": 30}}));
    let throughput: Throughput = read(&json!({"limitKbps": 7, "percentage": {"numerator": 30}}));
    let headers = headers(&NAMES.map(|name| (name, "1")));
    assert_eq!(delay.measure(&headers), Some(Duration::from_secs(5)));
    assert_eq!(abort.measure(&headers), Some(Status::Http(503)));
    assert_eq!(throughput.measure(&headers).unwrap().0.get(), 7);
    for percentage in [delay.percentage(&headers), abort.percentage(&headers), throughput.percentage(&headers)] {
        assert_eq!((percentage.numerator, percentage.denominator), (30, 100));
    }
}

/// Each header, on the fault that it belongs to, and on no other.
#[test]
fn each_fault_has_its_percentage() {
    for name in NAMES {
        let headers = headers(&[(name, "10")]);
        let of = |percentage: Percentage| percentage.numerator / 10_000;
        let (delay, abort, throughput): (Delay, Abort, Throughput) =
            (read(&all("headerDelay")), read(&all("headerAbort")), read(&all("headerLimit")));
        let got = [of(delay.percentage(&headers)), of(abort.percentage(&headers)), of(throughput.percentage(&headers))];
        let expected =
            [DELAY_PERCENTAGE, ABORT_PERCENTAGE, THROUGHPUT_PERCENTAGE].map(|of| if name == of { 10 } else { 100 });
        assert_eq!(got, expected, "{}", name.escape_ascii());
    }
}

#[test]
fn a_percentage_is_capped() {
    let percent = json!({"value": 50});
    let fine = json!({"value": 0.5});
    let hundred = json!({"numerator": 50});
    let ten_thousand = json!({"numerator": 50, "denominator": "TEN_THOUSAND"});
    for (configured, lines, expected) in [
        // Istio's words: the header is in percent.
        (&percent, &["20"][..], (200_000, 1_000_000)),
        (&percent, &["50"], (500_000, 1_000_000)),
        (&percent, &["51"], (500_000, 1_000_000)),
        (&percent, &["429497"], (500_000, 1_000_000)),
        (&percent, &["4294967295"], (500_000, 1_000_000)),
        (&fine, &["1"], (5_000, 1_000_000)),
        (&fine, &["0"], (0, 1_000_000)),
        // Envoy's words: the header is in the denominator's unit.
        (&hundred, &["20"], (20, 100)),
        (&hundred, &["100"], (50, 100)),
        (&ten_thousand, &["20"], (20, 10_000)),
        (&ten_thousand, &["100"], (50, 10_000)),
        // Only the first line counts, and what is no number of 32 bits counts as none.
        (&hundred, &[], (50, 100)),
        (&hundred, &["0", "50"], (0, 100)),
        (&hundred, &["x", "0"], (50, 100)),
        (&hundred, &["-1"], (50, 100)),
        (&hundred, &["1.5"], (50, 100)),
        (&hundred, &[""], (50, 100)),
        (&hundred, &["4294967296"], (50, 100)),
    ] {
        let abort: Abort = read(&json!({"headerAbort": {}, "percentage": configured}));
        let lines: Vec<_> = lines.iter().map(|value| (ABORT_PERCENTAGE, *value)).collect();
        let percentage = abort.percentage(&headers(&lines));
        assert_eq!((percentage.numerator, percentage.denominator), expected, "{configured} {lines:?}");
    }
}
