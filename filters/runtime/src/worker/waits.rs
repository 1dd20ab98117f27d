//! Requests and responses that wait: for a time, for an answer, for what a response's limit lets through.

use std::rc::Rc;

use pointsman_filter::{Answer, Body, GrpcCall, Wake};
use pointsman_host::slots::BEAT_NANOS;
use pointsman_http::HeaderMap;

use super::{Call, Flow, Outcome, Phase, Stream, Worker, upcast};
use crate::abi::{Buffer, Level, Map};
use crate::chain::Chain;
use crate::deadlines;
use crate::proxy::Proxy;

/// One tick wakes at most so many; the next one, a millisecond later, goes on. What is resumed or answered within a
/// callback the proxy does when that has returned, one after the other: but what calls us again does all that is left
/// within that call. So each that is woken takes stack of V8, which is used up after 250 to 500 of them.
const MOST_WOKEN: usize = 64;

impl<C: Chain> Worker<C> {
    /// Time has passed.
    pub fn on_tick(&mut self, proxy: &mut dyn Proxy) {
        let now = proxy.monotonic();
        for _ in 0..MOST_WOKEN {
            let Some((until, context)) = self.deadlines.pop_due(now) else { break };
            let Some(stream) = self.streams.remove(&context) else {
                continue;
            };
            match stream.phase {
                Phase::Delayed { filter, until: waits_until } if waits_until == until => {
                    self.wake(context, stream, filter, Wake::Delayed, proxy);
                }
                Phase::Held { until: held_until } if held_until == until => self.let_go(context, stream, proxy),
                _ => drop(self.streams.insert(context, stream)),
            }
        }
        self.beat(now, proxy);
        // The period is the time to what is next, so each tick sets it anew; if nothing is, the ticks end.
        let period = self.next_in(proxy.monotonic());
        self.set_tick_period(period, proxy);
    }

    /// Has the filters say that the worker lives, if it is time, and as long as a request needs it.
    fn beat(&mut self, now: u64, proxy: &mut dyn Proxy) {
        if self.next_beat.is_none_or(|at| at > now) {
            return;
        }
        let in_need = self.streams.values().filter(|stream| stream.filters.needs_beat(&stream.states));
        // Those of the last configurations, too: few, as each is there as long as some request is.
        let mut filters: Vec<&Rc<C>> = Vec::new();
        for stream in in_need {
            if !filters.iter().any(|other| Rc::ptr_eq(other, &stream.filters)) {
                filters.push(&stream.filters);
            }
        }
        filters.iter().for_each(|filters| filters.on_beat(upcast(proxy)));
        let is_needed = !filters.is_empty();
        self.next_beat = is_needed.then(|| now.saturating_add(BEAT_NANOS));
    }

    /// A call-out has ended. The answer can be read now, and only now.
    pub fn on_answer(&mut self, call: Call, outcome: Outcome, proxy: &mut dyn Proxy) {
        let Some(context) = self.calls.remove(&call) else {
            return;
        };
        let Some(stream) = self.streams.remove(&context) else {
            return;
        };
        let Phase::Calling { filter, .. } = stream.phase else {
            self.streams.insert(context, stream);
            return;
        };
        let answer = read_answer(outcome, proxy);
        self.wake(context, stream, filter, Wake::Answered(answer), proxy);
    }

    /// Resumes a request that waited.
    fn wake(&mut self, context: u32, stream: Stream<C>, filter: usize, wake: Wake, proxy: &mut dyn Proxy) {
        if !proxy.select(context) {
            // It is gone, and the proxy has not said so yet: its end is still to come.
            self.streams.insert(context, Stream { phase: Phase::Passed, ..stream });
            return;
        }
        // A module that handles no responses is not told that the proxy has answered by itself: its time may be up.
        if !C::USES.response && proxy.property(&["response", "code_details"]).is_some() {
            self.streams.insert(context, Stream { phase: Phase::Passed, ..stream });
            return;
        }
        if self.drive(context, stream, filter, wake, proxy) == Flow::Continue
            && let Err(status) = proxy.resume()
        {
            proxy.log(Level::Error, &format!("a request could not be resumed: {status:?}"));
        }
    }

    /// Lets go on what is held back of a response, if it is time for all of it.
    fn let_go(&mut self, context: u32, mut stream: Stream<C>, proxy: &mut dyn Proxy) {
        stream.phase = match stream.filters.on_held(&mut stream.states, upcast(proxy)) {
            Body::Pass => Phase::Passed,
            Body::Hold(until) => {
                self.deadlines.insert(until, context);
                Phase::Held { until }
            }
        };
        if matches!(stream.phase, Phase::Passed)
            && proxy.select(context)
            && let Err(status) = proxy.resume_response()
        {
            proxy.log(Level::Error, &format!("a response could not be resumed: {status:?}"));
        }
        self.streams.insert(context, stream);
    }

    /// Sends a call-out, as the root context's: the answer then comes even if the request is gone by then, and the
    /// SDK, which forgets a token only when it is answered, does not keep it for ever.
    pub(super) fn send(
        &mut self,
        context: u32,
        proxy: &mut dyn Proxy,
        send: impl FnOnce(&mut dyn Proxy) -> Option<Call>,
    ) -> Option<Call> {
        proxy.select(self.root);
        let call = send(proxy);
        proxy.select(context);
        let call = call?;
        self.calls.insert(call, context);
        Some(call)
    }

    /// Sends call-outs whose answers nobody waits for. The request's context is about to go, and need not be selected again.
    pub(super) fn tell(&mut self, calls: &[GrpcCall], proxy: &mut dyn Proxy) {
        proxy.select(self.root);
        for call in calls {
            // One that cannot be sent shows in the proxy's own metrics of the cluster.
            let _ = proxy.grpc_call(call);
        }
    }

    /// Takes a request out of whatever it waits in.
    pub(super) fn stop_waiting(&mut self, context: u32, phase: Phase, proxy: &mut dyn Proxy) {
        match phase {
            Phase::Passed => {}
            Phase::Calling { call, .. } => drop(self.calls.remove(&call)),
            Phase::Delayed { until, .. } | Phase::Held { until } => {
                self.deadlines.remove(until, context);
                self.set_tick(proxy);
            }
        }
    }

    /// In how many milliseconds something has to be done next; 0: nothing has.
    fn next_in(&self, now: u64) -> u32 {
        let next = [self.deadlines.next(), self.next_beat].into_iter().flatten().min();
        next.map_or(0, |next| deadlines::milliseconds_to(next, now))
    }

    /// Lets the proxy tick in time for what is next, and not at all while nothing is.
    pub(super) fn set_tick(&mut self, proxy: &mut dyn Proxy) {
        let period = self.next_in(proxy.monotonic());
        // One that ticks earlier than needed is left alone until it does.
        let in_time = self.tick_period != 0 && self.tick_period <= period;
        if !in_time {
            self.set_tick_period(period, proxy);
        }
    }

    fn set_tick_period(&mut self, period: u32, proxy: &mut dyn Proxy) {
        if period != self.tick_period {
            self.tick_period = period;
            proxy.set_tick_period(period);
        }
    }
}

fn read_answer(outcome: Outcome, proxy: &mut dyn Proxy) -> Answer {
    match outcome {
        Outcome::Http { answered: false } => Answer::Failed,
        Outcome::Http { answered: true } => {
            let headers = proxy.read_map(Map::CallResponse).ok().and_then(|block| HeaderMap::parse(block).ok());
            let body = proxy.read_buffer(Buffer::CallResponseBody).unwrap_or_default();
            headers.map_or(Answer::Failed, |headers| Answer::Http { headers, body })
        }
        Outcome::Grpc { status: 0 } => {
            let message = proxy.read_buffer(Buffer::GrpcReceive);
            message.map_or(Answer::Failed, |message| Answer::Grpc { status: 0, message })
        }
        Outcome::Grpc { status } => Answer::Grpc { status, message: Vec::new() },
    }
}
