//! Services that keep limits for many proxies: what they are asked, and what their answers mean.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use pointsman_filter::{Answer, GrpcCall};
use pointsman_host::{Host, Metric};
use pointsman_routes::names::is_token;

use crate::answer::{Line, Quota, Refusal};
use crate::config::{Global, is_framing};
use crate::descriptors::Descriptor;
use crate::fingerprint::Key;
use crate::near_cache::{NearCache, decimal};
use crate::rls::{self, Ask, Code, HeaderLine, METHOD, SERVICE, Status};

/// A service, as some limits have it. Those that only count are asked about by themselves: the service is to say of each
/// call whether it refuses.
pub struct Service {
    pub global: Global,
    pub shadow: bool,
    memory: RefCell<NearCache>,
    errors: Metric,
    failure_mode_allowed: Metric,
    forgotten: Metric,
}

/// What is asked about a request.
#[derive(Debug)]
pub struct Question {
    /// The service's number.
    pub service: usize,
    asked: Vec<Asked>,
    message: Vec<u8>,
}

/// One descriptor of a question.
#[derive(Debug)]
struct Asked {
    limit: usize,
    fingerprint: u64,
    hits: u32,
}

/// A descriptor that a service is to be asked about.
pub struct Wish<'a> {
    pub limit: usize,
    pub descriptor: &'a Descriptor<'a>,
    pub hits: u32,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes, with these headers.
    Pass { request: Vec<Line>, response: Vec<Line>, quota: Option<Quota> },
    /// It is over that limit.
    Over(usize, Refusal),
    /// Nobody knows.
    Error,
}

impl Service {
    pub fn new(global: Global, shadow: bool) -> Self {
        let counter =
            |name: &str| Metric::counter(&format!("pointsman_rate_limit_{name}"), &[("domain", &global.domain)]);
        Self {
            shadow,
            memory: RefCell::default(),
            errors: counter("service_errors"),
            failure_mode_allowed: counter("failure_mode_allowed"),
            forgotten: counter("near_cache_forgotten"),
            global,
        }
    }

    /// What is to be asked; or what is known already.
    pub fn question(
        &self,
        service: usize,
        wishes: &[Wish<'_>],
        key: &Key,
        host: &dyn Host,
    ) -> Result<Question, (usize, Refusal)> {
        let asked = wishes.iter().map(|wish| {
            let fingerprint = key.fingerprint(&wish.descriptor.whole_key());
            Asked { limit: wish.limit, fingerprint, hits: wish.hits }
        });
        let asked: Vec<Asked> = asked.collect();
        let mut memory = self.memory.borrow_mut();
        for one in &asked {
            if let Some(refusal) = memory.recall(one.fingerprint, one.hits, host) {
                return Err((one.limit, refusal));
            }
        }
        if let Some(first) = asked.first()
            && asked.len() > 1
            && let Some(refusal) = memory.recall(together(&asked, key), 0, host)
        {
            return Err((first.limit, refusal));
        }
        let message = self.message(wishes.iter().map(|wish| (wish.descriptor.entries(), wish.hits)));
        Ok(Question { service, asked, message })
    }

    /// A `RateLimitRequest`. Where all count for as many hits, the message says it, which all services understand; 1 is
    /// what they take if nothing is said.
    pub fn message<'a, E>(&self, descriptors: impl Iterator<Item = (E, u32)> + Clone) -> Vec<u8>
    where
        E: IntoIterator<Item = (&'a [u8], &'a [u8])>,
    {
        let mut all = descriptors.clone().map(|(_, hits)| hits);
        let first = all.next().unwrap_or_default();
        let common = Some(first).filter(|first| *first > 0 && all.all(|hits| hits == *first));
        let mut ask = Ask::new(&self.global.domain, common.filter(|hits| *hits > 1).unwrap_or_default());
        for (entries, hits) in descriptors {
            let own = common.is_none() && hits != 1;
            ask.descriptor(entries, own.then_some(hits.into()));
        }
        ask.into_bytes()
    }

    /// The call that asks.
    pub fn call(&self, message: Vec<u8>) -> GrpcCall {
        GrpcCall {
            cluster: self.global.cluster.clone(),
            service: SERVICE.into(),
            method: METHOD.into(),
            message,
            timeout: self.global.timeout,
        }
    }

    /// What an answer means.
    pub fn judge(&self, question: &Question, answer: &Answer, key: &Key, host: &mut dyn Host) -> Verdict {
        let answer = match answer {
            Answer::Grpc { status: 0, message } => rls::Answer::read(message),
            _ => None,
        };
        let Some(answer) = answer else {
            host.add(&self.errors, 1);
            return Verdict::Error;
        };
        if answer.code == Code::OverLimit {
            let (limit, refusal) = self.refusal(question, &answer, key, host);
            return Verdict::Over(limit, refusal);
        }
        Verdict::Pass {
            request: lines(&answer.request_headers, b"host"),
            response: lines(&answer.response_headers, b""),
            quota: quota(&answer.statuses),
        }
    }

    /// Counts a request that passes since nobody knows better.
    pub fn allow_failure(&self, host: &mut dyn Host) {
        host.add(&self.failure_mode_allowed, 1);
    }

    /// Which limit a request is over, and what it gets; it is remembered as long as the service's answer stays the same.
    fn refusal(
        &self,
        question: &Question,
        answer: &rls::Answer<'_>,
        key: &Key,
        host: &mut dyn Host,
    ) -> (usize, Refusal) {
        let headers = lines(&answer.response_headers, b"");
        // Without statuses, as from Limitador, that is all that is known.
        let of_header = headers.iter().find(|(name, _)| **name == *b"x-ratelimit-reset");
        // Some services write the time of day there.
        let of_header = of_header.and_then(|(_, value)| decimal(value)).filter(|seconds| *seconds <= A_YEAR);
        let pairs = question.asked.iter().zip(&answer.statuses);
        let is_told = question.asked.len() == answer.statuses.len();
        let over: Vec<_> = pairs.filter(|(_, status)| is_told && status.code == Code::OverLimit).collect();
        let longest = over
            .iter()
            .filter_map(|(_, status)| until_reset(status))
            .max()
            .map(|reset| reset.as_secs().saturating_add((reset.subsec_nanos() > 0).into()));
        let refusal = Rc::new(Refusal {
            quota: quota(&answer.statuses),
            retry_after: longest.or(of_header).map(|seconds| seconds.max(1)),
            headers,
            body: answer.body.to_vec(),
        });
        let mut memory = self.memory.borrow_mut();
        let mut forgot = false;
        let mut remember = |fingerprint, hits, seconds| {
            forgot |= memory.remember(fingerprint, hits, seconds, &refusal, &*host);
        };
        for (asked, status) in &over {
            if let Some(reset) = until_reset(status) {
                remember(asked.fingerprint, asked.hits, reset.as_secs());
            }
        }
        if over.is_empty()
            && let Some(seconds) = of_header
        {
            match question.asked.as_slice() {
                [one] => remember(one.fingerprint, one.hits, seconds),
                several => remember(together(several, key), 0, seconds),
            }
        }
        if forgot {
            host.add(&self.forgotten, 1);
        }
        let first = over.first().map(|(asked, _)| *asked).or(question.asked.first());
        (first.map_or(0, |asked| asked.limit), Refusal::clone(&refusal))
    }
}

impl Question {
    /// The message, which is sent once.
    pub fn take_message(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.message)
    }

    /// The limits that it is about.
    pub fn limits(&self) -> impl Iterator<Item = usize> {
        self.asked.iter().map(|asked| asked.limit)
    }
}

/// What stands for a whole question.
fn together(asked: &[Asked], key: &Key) -> u64 {
    let mut bytes = Vec::with_capacity(asked.len().saturating_mul(12));
    for one in asked {
        bytes.extend(one.fingerprint.to_le_bytes());
        bytes.extend(one.hits.to_le_bytes());
    }
    key.fingerprint(&bytes)
}

/// Those lines that are headers, and that do not say where a message ends; and not that one.
fn lines(lines: &[HeaderLine<'_>], but: &[u8]) -> Vec<Line> {
    let lines = lines.iter().filter_map(|line| {
        let name = std::str::from_utf8(line.name).ok().filter(|name| is_token(name) && !is_framing(name))?;
        let name = name.to_ascii_lowercase().into_bytes();
        // Envoy writes what others then refuse: with it, the whole request or response.
        let is_value = !line.value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
        // Ours, which a module may read that stands behind this one.
        let steers = name.starts_with(b"x-pointsman-");
        (is_value && name != but && !steers).then(|| (name.into(), line.value.into()))
    });
    lines.collect()
}

/// The longest window that services have, in seconds. Who says that it takes longer means something else.
const A_YEAR: u64 = 366 * 86_400;

fn until_reset(status: &Status<'_>) -> Option<Duration> {
    status.until_reset.filter(|reset| reset.as_secs() <= A_YEAR)
}

/// A limit's name that is longer is not told.
const MOST_NAME_BYTES: usize = 128;

/// Nor one that would end where it should not.
fn is_no_part_of_a_name(character: char) -> bool {
    !matches!(character, ' '..='~') || matches!(character, '"' | '\\')
}

/// What is left of the limit of which the least is, and which limits there are, as Envoy writes it.
fn quota(statuses: &[Status<'_>]) -> Option<Quota> {
    let of_limits = || statuses.iter().filter_map(|status| Some((status, status.limit?)));
    let (least, limit) = of_limits().min_by_key(|(status, _)| status.remaining)?;
    let mut text = limit.requests.to_string();
    for (_, limit) in of_limits().filter(|(_, limit)| limit.window > 0) {
        let _ = write!(text, ", {};w={}", limit.requests, limit.window);
        let is_name = |name: &&str| (1..=MOST_NAME_BYTES).contains(&name.len()) && !name.contains(is_no_part_of_a_name);
        if let Some(name) = std::str::from_utf8(limit.name).ok().filter(is_name) {
            let _ = write!(text, ";name=\"{name}\"");
        }
    }
    let reset = until_reset(least).map_or(0, |reset| reset.as_secs());
    Some(Quota { limit: text, remaining: least.remaining, reset })
}
