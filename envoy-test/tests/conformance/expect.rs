//! What a case expects, key by key.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::case::{Case, Destination, meant, texts};
use crate::observed::{EXPLAIN, Observed, Seen};
use crate::shares;
use crate::steps::Object;

/// The keys that say something about another one, or how often to ask.
const BESIDE: [&str; 4] = ["count", "tolerance_abs", "tolerance_abs_percent", "tolerance_percent"];

/// What all requests of a sequence are looked at for together.
const OF_ALL: [&str; 3] = ["distribution", "per_destination", "upstream_attempts"];

const OF_EACH: [&str; 20] = [
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
    "upstream_hit",
    "min_latency_ms",
    "max_latency_ms",
    "mirror",
    "mirrored_to",
    "route_name",
    "body",
    "response_body",
];

pub fn is_known(key: &str) -> bool {
    OF_EACH.contains(&key) || is_of_all(key)
}

pub fn is_of_all(key: &str) -> bool {
    OF_ALL.contains(&key) || BESIDE.contains(&key)
}

/// What a case expects and the runner does not know is never passed over.
pub fn check_keys(expect: &Object) -> Result<()> {
    match expect.keys().find(|key| !is_known(key)) {
        Some(key) => bail!("the runner does not know expect.{key}"),
        None => Ok(()),
    }
}

/// Whether each destination of `per_destination` has answered.
pub fn has_seen_all(expect: &Object, seen: &[Seen], all: &[Destination]) -> bool {
    let Some(Value::Object(expected)) = expect.get("per_destination") else {
        return true;
    };
    expected.keys().all(|key| seen.iter().any(|one| is_of(one, key, all)))
}

pub fn check(case: &Case, expect: &Object, observed: &Observed) -> Result<()> {
    for (key, value) in expect {
        let checked = match key.as_str() {
            "distribution" => shares::distribution(expect, value, observed),
            "per_destination" => per_destination(value, observed),
            "mirror" | "mirrored_to" => shares::mirror(case, value, observed),
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
    let echo = || seen.echo.as_ref().context("no upstream was asked");
    let answer = &seen.answer;
    match key {
        "status" => ensure!(value.as_u64() == Some(answer.status.into()), "it is {}", answer.status),
        "allowed" => ensure!(value.as_bool() == Some(answer.status != 403), "it is {}", answer.status),
        "rewritten_path" => ensure!(value.as_str() == Some(&echo()?.path), "it is {}", echo()?.path),
        "rewritten_authority" => ensure!(value.as_str() == Some(&echo()?.authority), "it is {}", echo()?.authority),
        "upstream_headers_set" => {
            has_headers(value, |name| Ok(echo()?.header_lines(name).into_iter().map(str::to_owned).collect()))?
        }
        "upstream_headers_absent" => has_no_headers(value, |name| Ok(echo()?.header(name).is_some()))?,
        "headers_set" | "response_headers_set" => has_headers(value, |name| Ok(answer.header_lines(name)))?,
        "headers_absent" | "response_headers_absent" => {
            has_no_headers(value, |name| Ok(answer.header(name).is_some()))?
        }
        "location_path" => {
            let location = answer.header("location").context("there is no location")?;
            let rest = location.split_once("://").map_or(location.as_str(), |(_, rest)| rest);
            let path = &rest[rest.find(['/', '?']).unwrap_or(rest.len())..];
            let expected = value.as_str().context("no text")?;
            let path = if expected.contains('?') { path } else { path.split('?').next().unwrap_or(path) };
            ensure!(path == expected, "it is {location}");
        }
        "min_latency_ms" => ensure!(milliseconds(seen) >= number(value)?, "it took {:?}", seen.time),
        "max_latency_ms" => ensure!(milliseconds(seen) <= number(value)?, "it took {:?}", seen.time),
        "route_name" => {
            // `vs http[0] (name) -> cluster`
            let explained = answer.header(EXPLAIN).context("no explanation")?;
            let name =
                explained.split_once(" (").and_then(|(_, rest)| rest.split_once(") -> ")).map_or("", |(name, _)| name);
            ensure!(value.as_str() == Some(name), "it is `{name}`: {explained}");
        }
        "body" | "response_body" => ensure!(value.as_str() == Some(&answer.text()), "it is {}", answer.text()),
        _ => bail!("it is not of one request"),
    }
    Ok(())
}

fn milliseconds(seen: &Seen) -> f64 {
    seen.time.as_secs_f64() * 1000.0
}

pub fn number(value: &Value) -> Result<f64> {
    value.as_f64().context("no number")
}

/// Each name has exactly these lines; one text may also be several lines joined.
fn has_headers(expected: &Value, lines_of: impl Fn(&str) -> Result<Vec<String>>) -> Result<()> {
    let expected = expected.as_object().context("no object of headers")?;
    for (name, value) in expected {
        let lines = lines_of(&name.to_ascii_lowercase())?;
        let expected = texts(value)?;
        let joined = |lines: &[String]| lines.join(",").replace(", ", ",");
        let is_there = !lines.is_empty() && joined(&lines) == joined(&expected);
        ensure!(lines == expected || is_there, "{name} is {lines:?}");
    }
    Ok(())
}

/// A name, or a list of names.
fn has_no_headers(names: &Value, is_there: impl Fn(&str) -> Result<bool>) -> Result<()> {
    for name in texts(names)? {
        ensure!(!is_there(&name.to_ascii_lowercase())?, "{name} is there");
    }
    Ok(())
}

/// The upstream that answered is the destination of that name.
pub fn is_of(seen: &Seen, name: &str, destinations: &[Destination]) -> bool {
    let Some(echo) = &seen.echo else { return false };
    destinations.iter().any(|destination| destination.cluster() == echo.service && destination.is_called(name))
}

/// It got every request, and nobody else but mirrors did; null: nobody did.
fn destination(case: &Case, value: &Value, observed: &Observed) -> Result<()> {
    if value.is_null() {
        return upstream_hit(&Value::Bool(false), observed);
    }
    let expected = match value {
        Value::String(host) => Destination { host: host.clone(), subset: String::new() },
        value => Destination::of(value).context("no destination")?,
    };
    let meant = meant(&observed.destinations, &expected);
    let clusters: Vec<String> = meant.iter().map(|one| one.cluster()).collect();
    let hits: usize = clusters.iter().filter_map(|cluster| observed.hits.get(cluster)).sum();
    ensure!(hits >= observed.seen.len() && hits > 0, "{clusters:?} got {hits}");
    let mirrors: Vec<String> = case.mirrors().iter().map(Destination::cluster).collect();
    let is_other = |name: &String| !clusters.contains(name) && !mirrors.contains(name);
    let other = observed.hits.iter().find(|(name, hits)| **hits > 0 && is_other(name));
    ensure!(other.is_none(), "{other:?} was asked");
    // Ports make no clusters outside Istio; what the policy says of them is what is expected.
    if let Some(port) = value.get("port").filter(|port| !port.is_null()) {
        let port = port.get("number").unwrap_or(port);
        let routes = case.routes();
        let of_it = routes.iter().filter(|route| Destination::of(route).is_some_and(|one| meant.contains(&&one)));
        let ports: Vec<&Value> = of_it.map(|route| &route["port"]["number"]).collect();
        ensure!(ports.iter().all(|port| port.is_null()) || ports.contains(&port), "the policy has {ports:?}");
    }
    Ok(())
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

/// How often the destinations were asked, mirrors aside: for each request, or for all of a sequence.
fn attempts(case: &Case, value: &Value, observed: &Observed) -> Result<()> {
    let mirrors: Vec<String> = case.mirrors().iter().map(Destination::cluster).collect();
    let attempts: usize = observed.hits.iter().filter(|(name, _)| !mirrors.contains(name)).map(|(_, hits)| hits).sum();
    let requests = if observed.is_sequence { 1 } else { observed.seen.len() };
    ensure!(attempts as f64 == number(value)? * requests as f64, "it was asked {attempts} times");
    Ok(())
}

/// Whether any upstream was asked, or which one.
fn upstream_hit(value: &Value, observed: &Observed) -> Result<()> {
    let total: usize = observed.hits.values().sum();
    match value {
        Value::Bool(expected) => ensure!(*expected == (total > 0), "{total} requests"),
        Value::String(name) => {
            let called = observed.destinations.iter().filter(|one| one.is_called(name)).map(Destination::cluster);
            let hits: usize = called.filter_map(|cluster| observed.hits.get(&cluster)).max().copied().unwrap_or(0);
            ensure!(hits > 0, "{name} was not asked");
        }
        other => bail!("the runner does not know {other}"),
    }
    Ok(())
}
