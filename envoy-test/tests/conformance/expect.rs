//! What a case expects, key by key.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value};

use crate::case::{Case, Destination, texts};
use crate::run::{EXPLAIN, Observed, Seen};

/// The keys that say something about another one, or how often to ask.
const BESIDE: [&str; 4] = ["count", "tolerance_abs", "tolerance_abs_percent", "tolerance_percent"];

const KNOWN: [&str; 23] = [
    "status",
    "allowed",
    "destination",
    "rewritten_path",
    "rewritten_authority",
    "upstream_headers_set",
    "upstream_headers_absent",
    "headers_set",
    "headers_absent",
    "response_headers_set",
    "response_headers_absent",
    "location_path",
    "upstream_attempts",
    "upstream_hit",
    "min_latency_ms",
    "max_latency_ms",
    "distribution",
    "mirror",
    "mirrored_to",
    "route_name",
    "per_destination",
    "body",
    "response_body",
];

/// What a case expects and the runner does not know is never passed over.
pub fn check_keys(case: &Case) -> Result<()> {
    let unknown = case.expect.keys().find(|key| !KNOWN.contains(&key.as_str()) && !BESIDE.contains(&key.as_str()));
    match unknown {
        Some(key) => bail!("the runner does not know expect.{key}"),
        None => Ok(()),
    }
}

/// Whether each destination of `per_destination` has answered.
pub fn has_seen_all(case: &Case, seen: &[Seen]) -> bool {
    let Some(Value::Object(expected)) = case.expect.get("per_destination") else {
        return true;
    };
    let all = case.destinations();
    expected.keys().all(|key| seen.iter().any(|one| is_of(one, key, &all)))
}

pub fn check(case: &Case, observed: &Observed) -> Result<()> {
    for (key, value) in &case.expect {
        // A share is of all requests together, as is what upstreams count; anything else is of each.
        let checked = match key.as_str() {
            "distribution" => distribution(case, value, observed),
            "per_destination" => per_destination(value, observed),
            "mirror" | "mirrored_to" => mirror(case, value, observed),
            "upstream_attempts" => attempts(case, value, observed),
            "upstream_hit" => upstream_hit(value, observed),
            "destination" => destination(case, value, observed),
            key if BESIDE.contains(&key) => Ok(()),
            key => observed.seen.iter().try_for_each(|seen| of_each(key, value, seen)),
        };
        let first = observed.seen.first().map(|seen| seen.answer.to_string()).unwrap_or_default();
        checked.with_context(|| format!("expect.{key}: {value}\nhits: {:?}\nfirst answer: {first}", observed.hits))?;
    }
    Ok(())
}

fn of_each(key: &str, value: &Value, seen: &Seen) -> Result<()> {
    let echo = || seen.echo.as_ref().context("no upstream has answered");
    match key {
        "status" => ensure!(value.as_u64() == Some(seen.answer.status.into()), "it is {}", seen.answer.status),
        "allowed" => ensure!(value.as_bool() == Some(seen.answer.status != 403), "it is {}", seen.answer.status),
        "rewritten_path" => ensure!(value.as_str() == Some(&echo()?.path), "it is {}", echo()?.path),
        "rewritten_authority" => ensure!(value.as_str() == Some(&echo()?.authority), "it is {}", echo()?.authority),
        "upstream_headers_set" => {
            has_headers(value, |name| Ok(echo()?.header_lines(name).into_iter().map(str::to_owned).collect()))?
        }
        "upstream_headers_absent" => {
            for name in texts(value)? {
                ensure!(echo()?.header(&name.to_ascii_lowercase()).is_none(), "{name} is there");
            }
        }
        "headers_set" | "response_headers_set" => has_headers(value, |name| Ok(seen.answer.header_lines(name)))?,
        "headers_absent" | "response_headers_absent" => {
            for name in texts(value)? {
                ensure!(seen.answer.header(&name).is_none(), "{name} is there");
            }
        }
        "location_path" => {
            let location = seen.answer.header("location").context("there is no location")?;
            let rest = location.split_once("://").map_or(location.as_str(), |(_, rest)| rest);
            let path = &rest[rest.find('/').unwrap_or(rest.len())..];
            let expected = value.as_str().context("no text")?;
            let path = if expected.contains('?') { path } else { path.split('?').next().unwrap_or(path) };
            ensure!(path == expected, "it is {location}");
        }
        "min_latency_ms" => ensure!(milliseconds(seen) >= number(value)?, "it took {:?}", seen.time),
        "max_latency_ms" => ensure!(milliseconds(seen) <= number(value)?, "it took {:?}", seen.time),
        "route_name" => {
            let explained = seen.answer.header(EXPLAIN).context("no explanation")?;
            let name =
                explained.split_once(" (").and_then(|(_, rest)| rest.split_once(") -> ")).map_or("", |(name, _)| name);
            ensure!(value.as_str() == Some(name), "it is `{name}`: {explained}");
        }
        "body" | "response_body" => {
            ensure!(value.as_str() == Some(&seen.answer.text()), "it is {}", seen.answer.text())
        }
        _ => bail!("the runner does not know it"),
    }
    Ok(())
}

fn milliseconds(seen: &Seen) -> f64 {
    seen.time.as_secs_f64() * 1000.0
}

fn number(value: &Value) -> Result<f64> {
    value.as_f64().context("no number")
}

/// Each name has exactly these lines; one text may also be several lines joined.
fn has_headers(expected: &Value, lines_of: impl Fn(&str) -> Result<Vec<String>>) -> Result<()> {
    let expected = expected.as_object().context("no object of headers")?;
    for (name, value) in expected {
        let lines = lines_of(&name.to_ascii_lowercase())?;
        let expected = texts(value)?;
        let joined = |lines: &[String]| lines.join(",").replace(", ", ",");
        ensure!(lines == expected || joined(&lines) == joined(&expected), "{name} is {lines:?}");
    }
    Ok(())
}

/// The upstream that answered is the destination of that key: its subset, its host, or its cluster.
fn is_of(seen: &Seen, key: &str, destinations: &[Destination]) -> bool {
    let Some(echo) = &seen.echo else { return false };
    let is_it = |destination: &&Destination| destination.cluster() == echo.service;
    destinations.iter().filter(is_it).any(|it| it.subset == key || it.host == key || it.cluster() == key)
}

/// It got every request, and nobody else but mirrors did.
fn destination(case: &Case, value: &Value, observed: &Observed) -> Result<()> {
    let destination = Destination::of(value).context("no destination")?;
    let cluster = destination.cluster();
    ensure!(observed.hits.get(&cluster).is_some_and(|hits| *hits >= observed.seen.len()), "{cluster} was not asked");
    let mirrors = mirrors(case);
    let other = observed.hits.iter().find(|(name, hits)| **hits > 0 && **name != cluster && !mirrors.contains(name));
    ensure!(other.is_none(), "{other:?} was asked, too");
    // Ports make no clusters outside Istio; what the policy says of them is what is expected.
    if let Some(port) = value.get("port").filter(|port| !port.is_null()) {
        let of = |it: &Value| Destination::of(it).as_ref() == Some(&destination);
        let ports: Vec<&Value> =
            all_destinations(&case.policy).filter(|it| of(it)).map(|it| &it["port"]["number"]).collect();
        ensure!(ports.is_empty() || ports.contains(&port), "the policy has {ports:?}");
    }
    Ok(())
}

fn all_destinations(policy: &Value) -> impl Iterator<Item = &Value> {
    let rules = policy["http"].as_array().into_iter().flatten();
    rules.flat_map(|rule| rule["route"].as_array().into_iter().flatten()).map(|route| &route["destination"])
}

fn mirrors(case: &Case) -> Vec<String> {
    let rules = case.policy["http"].as_array().into_iter().flatten();
    let of_rule = |rule: &Value| {
        let many = rule["mirrors"].as_array().into_iter().flatten().map(|mirror| mirror["destination"].clone());
        many.chain([rule["mirror"].clone()]).filter_map(|it| Destination::of(&it)).collect::<Vec<_>>()
    };
    rules.flat_map(of_rule).map(|it| it.cluster()).collect()
}

/// Each share is what it should be, in percentage points of all.
fn distribution(case: &Case, value: &Value, observed: &Observed) -> Result<()> {
    let shares = value.as_object().context("no object of shares")?;
    let sum: f64 = shares.values().filter_map(Value::as_f64).sum();
    let tolerance = tolerance(case, &case.expect.iter().map(|(k, v)| (k.clone(), v.clone())).collect())?;
    let total = observed.seen.len() as f64;
    for (key, share) in shares {
        let hits = observed.seen.iter().filter(|seen| is_of(seen, key, &observed.destinations)).count();
        let (expected, is) = (number(share)? / sum * 100.0, hits as f64 / total * 100.0);
        ensure!((is - expected).abs() <= tolerance, "{key} got {is} %, expected {expected} ± {tolerance}");
    }
    let known = |seen: &&Seen| shares.keys().any(|key| is_of(seen, key, &observed.destinations));
    let others = observed.seen.iter().filter(|seen| !known(seen)).count();
    ensure!(others == 0, "{others} went elsewhere");
    Ok(())
}

/// In percentage points. `tolerance_abs` is of requests, of as many as the case asks for.
fn tolerance(case: &Case, beside: &Map<String, Value>) -> Result<f64> {
    if let Some(percent) = beside.get("tolerance_abs_percent").or(beside.get("tolerance_percent")) {
        return number(percent);
    }
    let count = case.expect.get("count").and_then(Value::as_f64).or(case.request.count.map(f64::from)).unwrap_or(100.0);
    Ok(number(beside.get("tolerance_abs").context("no tolerance")?)? / count * 100.0)
}

fn per_destination(value: &Value, observed: &Observed) -> Result<()> {
    for (key, expected) in value.as_object().context("no object of destinations")? {
        let of_it: Vec<&Seen> = observed.seen.iter().filter(|seen| is_of(seen, key, &observed.destinations)).collect();
        ensure!(!of_it.is_empty(), "{key} was never chosen");
        for (name, value) in expected.as_object().context("no object of expectations")? {
            let checked = of_it.iter().try_for_each(|seen| of_each(name, value, seen));
            checked.with_context(|| format!("{key}: {name}"))?;
        }
    }
    Ok(())
}

/// Who got copies: a host, a destination with its `percent`, or a list of them; nobody for null, false and none.
fn mirror(case: &Case, value: &Value, observed: &Observed) -> Result<()> {
    let expected: Vec<&Value> = match value {
        Value::Null | Value::Bool(false) => Vec::new(),
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    let mut clusters = Vec::new();
    for one in expected {
        let cluster = match one {
            Value::String(host) => host.clone(),
            one => Destination::of(one).context("the runner does not know this form of a mirror")?.cluster(),
        };
        let copies = *observed.hits.get(&cluster).with_context(|| format!("there is no {cluster}"))? as f64;
        let total = observed.seen.len() as f64;
        match one.get("percent").and_then(Value::as_f64) {
            None => ensure!(copies >= total, "{cluster} got {copies} of {total}"),
            Some(percent @ (0.0 | 100.0)) => {
                ensure!(copies == total * percent / 100.0, "{cluster} got {copies} of {total}")
            }
            Some(percent) => {
                let is = copies / total * 100.0;
                let tolerance = tolerance(case, one.as_object().context("no object")?)?;
                ensure!((is - percent).abs() <= tolerance, "{cluster} got {is} %, expected {percent} ± {tolerance}");
            }
        }
        clusters.push(cluster);
    }
    for mirror in mirrors(case).iter().filter(|mirror| !clusters.contains(mirror)) {
        ensure!(observed.hits.get(mirror) == Some(&0), "{mirror} was asked");
    }
    Ok(())
}

/// How often the destinations were asked, for all requests together: mirrors do not count.
fn attempts(case: &Case, value: &Value, observed: &Observed) -> Result<()> {
    let mirrors = mirrors(case);
    let attempts: usize = observed.hits.iter().filter(|(name, _)| !mirrors.contains(name)).map(|(_, hits)| hits).sum();
    let expected = number(value)? * observed.seen.len() as f64;
    ensure!(attempts as f64 == expected, "it was asked {attempts} times");
    Ok(())
}

/// Whether any upstream was asked, or which one.
fn upstream_hit(value: &Value, observed: &Observed) -> Result<()> {
    let total: usize = observed.hits.values().sum();
    match value {
        Value::Bool(expected) => ensure!(*expected == (total > 0), "{total} requests"),
        Value::String(name) => ensure!(observed.hits.get(name).is_some_and(|hits| *hits > 0), "{name} was not asked"),
        other => bail!("the runner does not know {other}"),
    }
    Ok(())
}
