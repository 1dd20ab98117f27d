//! Edits of the policy while requests run: a good one loses none of them, a bad one is refused and says why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Result;
use envoy_test::{Connection, Request};
use tokio::task::JoinSet;

use crate::expect::service;
use crate::front_proxy::{FrontProxy, reason, sed};
use crate::show::Show;

/// All of them to the new version.
const ROLL_OUT: &[(&str, &str)] = &[("weight: 90", "weight: 0"), ("weight: 10", "weight: 100")];

/// A policy that must be refused.
struct Mistake {
    what: &'static str,
    edit: (&'static str, &'static str),
    /// What the message must say: where.
    says: &'static str,
}

const MISTAKES: &[Mistake] = &[
    Mistake { what: "a weight below zero", edit: ("weight: 90", "weight: -5"), says: "http[1].route[0].weight" },
    Mistake { what: "a field that does not exist", edit: ("regex: (.*;", "regexp: (.*;"), says: "http[0].match[0]" },
];

/// This many connections, each with one request after the other.
const CONNECTIONS: usize = 4;
/// The edit has reached a connection when it got this many answers in a row from v2 (by chance: one in 10^50).
const ENOUGH: u64 = 50;
/// How the outcome of a request without an answer starts.
const LOST: &str = "lost";

pub async fn run(front_proxy: &FrontProxy, show: &mut Show) -> Result<()> {
    show.chapter("The policy changes while requests run");
    show.say(&format!("{CONNECTIONS} connections ask without a pause; meanwhile v2 gets everything."));
    show.command(&format!("sed -i '{}' policy.yaml", sed(ROLL_OUT)));
    let traffic = Traffic::start(front_proxy).await?;
    traffic.flows(front_proxy).await?;
    let refused = front_proxy.edit_policy(ROLL_OUT).await?;
    show.check(refused.is_none(), "Envoy took the new policy");
    if refused.is_none() {
        traffic.all_new(front_proxy).await?;
    }
    let tally = traffic.stop().await;
    show.output(&tally.iter().map(|(outcome, count)| format!("{count} times {outcome}\n")).collect::<String>());
    let others: u64 = tally.iter().filter(|(outcome, _)| !outcome.starts_with("shop-")).map(|(_, count)| count).sum();
    show.check(others == 0, "no request was lost, before, during and after");

    show.chapter("A mistake in the policy");
    for mistake in MISTAKES {
        show.say(&format!("An edit with {}:", mistake.what));
        show.command(&format!("sed -i '{}' policy.yaml", sed(&[mistake.edit])));
        let refused = front_proxy.edit_policy(&[mistake.edit]).await?;
        show.output(&reason(refused.as_deref().unwrap_or_default()));
        let said = refused.as_ref().is_some_and(|log| log.contains(mistake.says));
        show.check(said, &format!("refused, and the log says where: {}", mistake.says));
    }
    show.say("Meanwhile the policy from before goes on serving.");
    let traffic = Traffic::start(front_proxy).await?;
    traffic.all_new(front_proxy).await?;
    let tally = traffic.stop().await;
    show.check(tally.keys().eq(["shop-v2"]), "everything still goes to v2");
    Ok(())
}

/// Requests without a pause, and what became of them.
struct Traffic {
    stop: Arc<AtomicBool>,
    seen: Arc<[Seen; CONNECTIONS]>,
    connections: JoinSet<Tally>,
}

/// What a connection has seen so far.
#[derive(Default)]
struct Seen {
    answers: AtomicU64,
    /// How many of the last answers were from v2.
    in_a_row: AtomicU64,
}

/// How often what happened: a service answered, or a request was lost.
type Tally = BTreeMap<String, u64>;

impl Traffic {
    async fn start(front_proxy: &FrontProxy) -> Result<Self> {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::<[Seen; CONNECTIONS]>::default());
        let mut connections = JoinSet::new();
        for index in 0..CONNECTIONS {
            let mut connection = front_proxy.connect().await?;
            let request = Request::new(front_proxy.address, "GET", "/cart").host("shop");
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            connections.spawn(async move {
                let mut tally = Tally::new();
                while !stop.load(Ordering::Relaxed) {
                    let outcome = outcome(&mut connection, request.clone()).await;
                    let lost = outcome.starts_with(LOST);
                    seen[index].count(outcome == "shop-v2");
                    *tally.entry(outcome).or_default() += 1;
                    if lost {
                        // Nothing comes over this connection any more, so nobody shall wait for it.
                        seen[index].answers.store(u64::MAX, Ordering::Relaxed);
                        seen[index].in_a_row.store(u64::MAX, Ordering::Relaxed);
                        break;
                    }
                }
                tally
            });
        }
        Ok(Self { stop, seen, connections })
    }

    /// Waits until each connection has had some answers.
    async fn flows(&self, front_proxy: &FrontProxy) -> Result<()> {
        self.until("requests flow", front_proxy, |seen| &seen.answers).await
    }

    /// Waits until no connection is answered by anything but v2.
    async fn all_new(&self, front_proxy: &FrontProxy) -> Result<()> {
        self.until("every answer is from v2", front_proxy, |seen| &seen.in_a_row).await
    }

    async fn until(&self, what: &str, front_proxy: &FrontProxy, count: impl Fn(&Seen) -> &AtomicU64) -> Result<()> {
        let enough = async || {
            let enough = |seen| count(seen).load(Ordering::Relaxed) >= ENOUGH;
            Ok(self.seen.iter().all(enough).then_some(()))
        };
        front_proxy.envoy.admin().until(what, enough).await
    }

    async fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::new();
        for (outcome, count) in self.connections.join_all().await.into_iter().flatten() {
            *sum.entry(outcome).or_default() += count;
        }
        sum
    }
}

impl Seen {
    fn count(&self, new: bool) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if new {
            self.in_a_row.fetch_add(1, Ordering::Relaxed);
        } else {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }
}

async fn outcome(connection: &mut Connection, request: Request) -> String {
    match connection.send(request).await {
        Err(error) => format!("{LOST}: {error:#}"),
        Ok(answer) => match service(&answer) {
            Some(service) if answer.status == 200 => service,
            _ => format!("{} from Envoy: {}", answer.status, answer.text()),
        },
    }
}
