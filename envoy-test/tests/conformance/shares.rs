//! What is shared out by chance: destinations by weight, and mirrors.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::case::{Case, Destination, meant};
use crate::expect::{is_of, number};
use crate::observed::Observed;
use crate::steps::Object;

/// More than these nobody waits for.
const MOST_REQUESTS: f64 = 40_000.0;

/// So many standard deviations: off by more is one run in some ten million.
const DEVIATIONS: f64 = 5.4;

/// How many requests it takes to tell a share from a wrong one: a suite's own 100 would be off by 10 in one of 20 runs.
pub fn requests(expect: &Object, asked: u32) -> Result<u32> {
    let mut most = f64::from(asked);
    let mut enough_for = |share: f64, tolerance: f64| {
        let deviations = DEVIATIONS / (tolerance / 100.0).max(0.001);
        most = most.max((share * (1.0 - share) * deviations * deviations).min(MOST_REQUESTS).ceil());
    };
    if let Some(shares) = expect.get("distribution").and_then(Value::as_object) {
        let sum: f64 = shares.values().filter_map(Value::as_f64).sum();
        for share in shares.values() {
            enough_for(number(share)? / sum, tolerance(expect, asked)?);
        }
    }
    for mirror in expected_mirrors(expect.get("mirror").or(expect.get("mirrored_to")).unwrap_or(&Value::Null)) {
        if let (Some(percent), Some(beside)) = (percent(mirror), mirror.as_object()) {
            enough_for(percent / 100.0, tolerance(beside, asked).or_else(|_| tolerance(expect, asked))?);
        }
    }
    Ok(most as u32)
}

/// In percentage points. `tolerance_abs` is of requests, of as many as the case asks for.
fn tolerance(beside: &Object, asked: u32) -> Result<f64> {
    if let Some(percent) = beside.get("tolerance_abs_percent").or(beside.get("tolerance_percent")) {
        return number(percent);
    }
    let count = if asked > 1 { f64::from(asked) } else { 100.0 };
    Ok(number(beside.get("tolerance_abs").context("no tolerance")?)? / count * 100.0)
}

/// Each share is what it should be, in percentage points of all.
pub fn distribution(expect: &Object, value: &Value, observed: &Observed) -> Result<()> {
    let shares = value.as_object().context("no object of shares")?;
    let sum: f64 = shares.values().filter_map(Value::as_f64).sum();
    let tolerance = tolerance(expect, observed.asked)?;
    let total = observed.seen.len() as f64;
    for (key, share) in shares {
        let hits = observed.seen.iter().filter(|seen| is_of(seen, key, &observed.destinations)).count();
        let (expected, is) = (number(share)? / sum * 100.0, hits as f64 / total * 100.0);
        let never = expected == 0.0 && hits > 0;
        ensure!(!never && (is - expected).abs() <= tolerance, "{key} got {is} %, expected {expected} ± {tolerance}");
    }
    let is_known = |key: &String, seen| is_of(seen, key, &observed.destinations);
    let others = observed.seen.iter().filter(|seen| !shares.keys().any(|key| is_known(key, seen))).count();
    ensure!(others == 0, "{others} went elsewhere");
    Ok(())
}

fn expected_mirrors(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null | Value::Bool(false) => Vec::new(),
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    }
}

/// The share of the requests that it gets, unless it is none or all.
fn percent(mirror: &Value) -> Option<f64> {
    mirror.get("percent")?.as_f64().filter(|percent| *percent != 0.0 && *percent != 100.0)
}

/// Who got copies: a name, a destination with its `percent`, or a list of them; nobody for null, false and none.
pub fn mirror(case: &Case, value: &Value, observed: &Observed) -> Result<()> {
    let mut mirrors = case.mirrors();
    for one in expected_mirrors(value) {
        let clusters: Vec<String> = match one {
            Value::String(name) => {
                observed.destinations.iter().filter(|it| it.is_called(name)).map(Destination::cluster).collect()
            }
            one => {
                let it = Destination::of(one).context("the runner does not know this form of a mirror")?;
                meant(&observed.destinations, &it).into_iter().map(Destination::cluster).collect()
            }
        };
        let hits = clusters.iter().filter_map(|cluster| observed.hits.get(cluster));
        let (copies, total) = (hits.sum::<usize>() as f64, observed.seen.len() as f64);
        match percent(one) {
            None => {
                let all = if one.get("percent").and_then(Value::as_f64) == Some(0.0) { 0.0 } else { total };
                // One that is a destination, too, gets more than copies.
                let is_route = case.routes().into_iter().filter_map(Destination::of);
                let more = is_route.map(|it| it.cluster()).any(|it| clusters.contains(&it)) && copies >= all;
                ensure!(copies == all || more, "{clusters:?} got {copies} of {total}");
            }
            Some(percent) => {
                let is = copies / total * 100.0;
                let beside = one.as_object().context("no object")?;
                let tolerance =
                    tolerance(beside, observed.asked).or_else(|_| tolerance(&case.expect, observed.asked))?;
                ensure!((is - percent).abs() <= tolerance, "{clusters:?} got {is} %, expected {percent} ± {tolerance}");
            }
        }
        mirrors.retain(|mirror| !clusters.contains(&mirror.cluster()));
    }
    for mirror in mirrors.iter().map(Destination::cluster) {
        ensure!(observed.hits.get(&mirror).is_none_or(|hits| *hits == 0), "{mirror} was asked");
    }
    Ok(())
}
