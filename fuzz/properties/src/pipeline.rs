//! The whole pass over a request, with any policy.

mod crowd;
mod exchange;
mod faults;
mod limits;
mod policy;
mod services;
mod words;

use std::fmt;

use pointsman_wire::Value;

use crate::choices::Choices;
use crate::configuration::{outcome, same_as_struct};
use crate::envoy::{self, Lines};
use exchange::{Decided, Exchange, Outcome};
use policy::{Policy, WHY};
use services::SAID;

/// A policy decides each request, the same way each time, whatever a client sends of what is not its to say; what is
/// written can be sent; and no limit lets more pass than it has.
pub fn pipeline(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let policy = policy::policy(&mut choices);
    let (filters, _) = outcome(&Value::from(&policy.configuration), &policy.node);
    if filters.is_none() {
        same_as_struct(&policy.configuration);
        return;
    }
    for _ in 0..=choices.below(3) {
        let exchange = Exchange::new(&mut choices);
        let outcome = exchange.run(&policy, &exchange.request);
        let case = Case { policy: &policy, exchange: &exchange, outcome: &outcome };
        assert_eq!(exchange.run(&policy, &exchange.request), outcome, "{case}");
        case.can_be_sent(&outcome);
        case.is_routed();
        case.is_not_steered(&mut choices);
        case.is_not_steered_by_services();
        case.explains_itself();
        case.is_within_limits(&mut choices);
    }
}

/// A request and what became of it.
struct Case<'a> {
    policy: &'a Policy,
    exchange: &'a Exchange,
    outcome: &'a Outcome,
}

impl Case<'_> {
    fn can_be_sent(&self, outcome: &Outcome) {
        let sound = |lines: &Lines| {
            for (name, value) in lines {
                let is_sound = envoy::is_sound(name, value);
                assert!(is_sound, "{}: {}: {self}", name.escape_ascii(), value.escape_ascii());
            }
        };
        sound(&outcome.response);
        match &outcome.decided {
            Decided::Sent(lines) => sound(lines),
            Decided::Answered(reply) => {
                sound(&reply.headers);
                assert!((200..=599).contains(&reply.status) && !reply.details.is_empty(), "{self}");
            }
            Decided::Left | Decided::Cut => {}
        }
    }

    /// Envoy is told a destination if and only if there is one.
    fn is_routed(&self) {
        let Decided::Sent(lines) = &self.outcome.decided else { return };
        let told = envoy::values(lines, self.policy.header.as_bytes());
        assert!(told.len() <= 1 && told.iter().all(|cluster| !cluster.is_empty()), "{told:?}: {self}");
        if !self.policy.is_plain || self.policy.by_authority {
            return;
        }
        // Whose the host is, is known without a look at any rule.
        let services = self.policy.configuration["virtualServices"].as_array().unwrap();
        let mut hosts = services.iter().map(|service| {
            let spec = service.get("spec").unwrap_or(service);
            spec["hosts"][0].as_str().unwrap()
        });
        let authority = envoy::values(&self.exchange.request, b":authority")[0];
        let authority = String::from_utf8_lossy(authority).to_ascii_lowercase();
        let name = if authority.starts_with('[') { "[::1]" } else { authority.split(':').next().unwrap() };
        let is_ours = hosts.any(|host| match host.strip_prefix('*') {
            Some(suffix) => name.ends_with(suffix) && (name.len() > suffix.len() || suffix.is_empty()),
            None => host == name,
        });
        assert_eq!(!told.is_empty(), is_ours, "{told:?}: {self}");
    }

    /// No copy that a client sends of a header of ours, or of one that steers the router, changes anything.
    fn is_not_steered(&self, choices: &mut Choices<'_>) {
        let mut names = vec![
            self.policy.header,
            "x-pointsman-secret",
            "x-pointsman-mirror",
            "x-pointsman-mirror-2",
            "x-pointsman-policy",
        ];
        let request = &self.exchange.request;
        let is_internal = envoy::values(request, b"x-envoy-internal").first() == Some(&&b"true"[..]);
        if !(self.policy.trusts_internal && is_internal) {
            names.extend(["x-envoy-max-retries", "x-envoy-retry-on", "x-envoy-upstream-rq-timeout-ms"]);
        }
        if !self.policy.has_faults_by_header {
            names.extend(["x-envoy-fault-delay-request", "x-envoy-fault-abort-request"]);
        }
        let mut steering = request.clone();
        for _ in 0..=choices.below(4) {
            let place = choices.below(steering.len() + 1);
            let value = choices.pick(&["a", "/a", "7", "true"]);
            steering.insert(place, (choices.pick(&names).into(), value.into()));
        }
        let outcome = self.exchange.run(self.policy, &steering);
        assert_eq!(in_order(outcome), in_order(self.outcome.clone()), "{steering:?}: {self}");
    }

    /// A service may add headers, but it is not the one who says where a request goes.
    fn is_not_steered_by_services(&self) {
        let Decided::Sent(lines) = &self.outcome.decided else { return };
        for (name, value) in lines {
            let is_ours = name.starts_with(b"x-pointsman-") || name == self.policy.header.as_bytes();
            assert!(!is_ours || value != SAID, "{}: {self}", name.escape_ascii());
        }
    }

    /// An explanation changes nothing but itself.
    fn explains_itself(&self) {
        if !self.policy.explains || self.outcome.decided == Decided::Left {
            return;
        }
        let mut asking = self.exchange.request.clone();
        asking.push((WHY.into(), b"1".to_vec()));
        let mut explained = self.exchange.run(self.policy, &asking);
        self.can_be_sent(&explained);
        let why = envoy::values(&explained.response, WHY.as_bytes());
        assert!(why.len() == 1 && !why[0].is_empty() && why[0].len() < 8192, "{self}");
        let mut response = self.outcome.response.clone();
        envoy::remove(&mut explained.response, WHY.as_bytes());
        envoy::remove(&mut response, WHY.as_bytes());
        assert_eq!(explained, Outcome { response, ..self.outcome.clone() }, "{self}");
    }
}

/// All that is needed to see it again.
impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.policy.configuration)?;
        for (name, value) in &self.exchange.request {
            writeln!(f, "{}: {}", name.escape_ascii(), value.escape_ascii())?;
        }
        write!(f, "{:?} {:?}", self.policy.node.proxy, self.outcome)
    }
}

/// Lines by their names: a header that was there before is replaced, one that was not is added, at other places.
fn in_order(outcome: Outcome) -> Outcome {
    let decided = match outcome.decided {
        Decided::Sent(lines) => Decided::Sent(envoy::sorted(lines)),
        other => other,
    };
    Outcome { decided, response: envoy::sorted(outcome.response) }
}
