//! For whom, and when, there are faults at all.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Request, Test, module, tests};
use serde_json::{Value, json};

use super::native::always;

pub fn tests() -> Vec<Test> {
    tests![whoever_asks_for_it, times_that_are_far, times_that_come]
}

/// The same scope three times over: of an entry, of all faults when there is an entry, and of all when there is a rule.
async fn listeners(envoy: &Envoy, scope: &Value) -> Result<Vec<Listener>> {
    let abort = always(json!({"abort": {"httpStatus": 503}}));
    let mut entry = json!({"fault": abort});
    entry.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
    let rule = json!({"fault": abort, "route": [{"destination": {"host": "default"}}]});
    let service = json!([{"name": "vs", "hosts": ["*"], "http": [rule]}]);
    let mut listeners = Vec::new();
    for name in ["pointsman", "pointsman-fault-injection"] {
        for policy in [
            json!({"faults": [entry]}),
            json!({"faults": [{"fault": abort}], "faultInjection": scope}),
            json!({"virtualServices": service, "faultInjection": scope}),
        ] {
            let config = ListenerConfig::new().module(module(name)?).policy(policy);
            listeners.push(envoy.add_listener(config).await?);
        }
    }
    Ok(listeners)
}

async fn is_aborted(request: Request) -> Result<bool> {
    let answer = request.send().await?;
    assert!([200, 503].contains(&answer.status), "{answer}");
    Ok(answer.status == 503)
}

/// All of its conditions hold: by any line of a header, by the first cookie of that name.
async fn whoever_asks_for_it(envoy: &Envoy) -> Result<()> {
    let scope = json!({"when": {
        "headers": {"x-canary": {"exact": "yes"}, "user-agent": {"prefix": "curl/"}},
        "cookies": {"group": {"regex": "[ab]"}},
    }});
    let (canary, agent, cookie) = (("x-canary", "yes"), ("user-agent", "curl/8"), ("cookie", "x=1; group=a"));
    for listener in listeners(envoy, &scope).await? {
        for (headers, expected) in [
            (vec![canary, agent, cookie], true),
            (vec![agent, ("x-canary", "no"), cookie, canary], true),
            (vec![canary, agent, ("cookie", "group=b")], true),
            (vec![canary, agent, ("cookie", "x=1"), cookie], true),
            (vec![canary, agent], false),
            (vec![canary, cookie], false),
            (vec![agent, cookie], false),
            (vec![("x-canary", "YES"), agent, cookie], false),
            (vec![canary, ("user-agent", "Curl/8"), cookie], false),
            (vec![canary, agent, ("cookie", "group=ab")], false),
            (vec![canary, agent, ("cookie", "groups=a; Group=a")], false),
            (vec![], false),
        ] {
            let request = headers.iter().fold(listener.get("/"), |request, (name, value)| request.header(name, value));
            for request in [request.clone(), request.http2()] {
                assert_eq!(is_aborted(request).await?, expected, "{headers:?}");
            }
        }
    }
    Ok(())
}

async fn times_that_are_far(envoy: &Envoy) -> Result<()> {
    let (past, future) = ("2001-01-01T00:00:00Z", "2400-01-01T00:00:00+02:00");
    for (scope, expected) in [
        (json!({}), true),
        (json!({"startTime": past}), true),
        (json!({"startTime": future}), false),
        (json!({"endTime": past}), false),
        (json!({"endTime": future}), true),
        (json!({"startTime": past, "endTime": future}), true),
    ] {
        for listener in listeners(envoy, &scope).await? {
            for request in [listener.get("/"), listener.get("/").http2()] {
                assert_eq!(is_aborted(request).await?, expected, "{scope}");
            }
        }
    }
    Ok(())
}

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds since 1970, as RFC 3339 writes them.
fn written(time: u64) -> String {
    let (mut days, of_day) = (time / 86_400_000, time % 86_400_000);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, milliseconds) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day % 60_000);
    let (second, rest) = (milliseconds / 1000, milliseconds % 1000);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z", days + 1)
}

/// It begins and ends by itself, to the millisecond: nobody has to say anything to Envoy.
async fn times_that_come(envoy: &Envoy) -> Result<()> {
    assert_eq!(written(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
    assert_eq!(written(1_735_689_599_000), "2024-12-31T23:59:59.000Z");
    let (start, end) = (now() + 2_000, now() + 3_500);
    let scope = json!({"startTime": written(start), "endTime": written(end)});
    let listeners = listeners(envoy, &scope).await?;
    let mut seen = [0, 0, 0];
    while now() < end + 50 || seen[2] == 0 {
        for listener in &listeners {
            let sent = now();
            let is_aborted = self::is_aborted(listener.get("/")).await?;
            let answered = now();
            // What was under way at such a moment may be either.
            let (expected, phase) = if answered < start {
                (false, 0)
            } else if sent > start && answered < end {
                (true, 1)
            } else if sent > end {
                (false, 2)
            } else {
                continue;
            };
            assert_eq!(is_aborted, expected, "{scope}: sent at {}", written(sent));
            seen[phase] += 1;
        }
    }
    Ok(())
}
