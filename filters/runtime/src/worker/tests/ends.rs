//! What has to be done at a request's end is done once, however it ends; and until then, again and again, what has to be
//! said while a worker lives.

use super::*;

const BEAT: u64 = pointsman_host::slots::BEAT_NANOS;

fn world() -> World<Filters> {
    World::new(filters(0))
}

impl World<Filters> {
    fn metric(&self, name: &str) -> i64 {
        self.proxy.metrics.get(name).copied().unwrap_or_default()
    }
}

#[test]
fn whatever_ends_it() {
    for script in ["e", "e r", "e d5", "e h", "e d5 r"] {
        for responds in [false, true] {
            let mut world = world();
            world.arrive(7, &[("x-0", script)]);
            if responds {
                world.respond(7);
            }
            assert_eq!(world.metric("ends"), 0, "{script}");
            world.end(7);
            assert_eq!(world.metric("ends"), 1, "{script}");
            world.advance(2 * BEAT);
            world.assert_empty();
        }
    }
}

#[test]
fn after_a_delay() {
    let mut world = world();
    world.arrive(7, &[("x-0", "e d5 r")]);
    world.advance(20 * MILLISECOND);
    assert_eq!(world.state(7), State::Answered(403));
    world.respond(7);
    world.end(7);
    assert_eq!(world.metric("ends"), 1);
    world.advance(BEAT);
    world.assert_empty();
}

/// The proxy has ended it and tells of that later than the tick comes.
#[test]
fn a_tick_between_its_end_and_the_word_of_it() {
    let mut world = world();
    world.arrive(7, &[("x-0", "e d5 r")]);
    let stream = world.proxy.streams.remove(&7).unwrap();
    world.advance(20 * MILLISECOND);
    assert_eq!(world.metric("ends"), 0);
    world.proxy.streams.insert(7, stream);
    world.end(7);
    assert_eq!(world.metric("ends"), 1);
    world.advance(BEAT);
    world.assert_empty();
}

#[test]
fn beats_are_as_regular_as_they_have_to_be() {
    let mut world = world();
    // Without one in need there is none, and not even a tick.
    world.arrive(1, &[("x-0", "k")]);
    world.advance(10 * BEAT);
    assert_eq!((world.metric("beats"), world.proxy.tick.0), (0, 0));
    world.arrive(2, &[("x-0", "e")]);
    world.arrive(3, &[("x-1", "e")]);
    for beats in 1..=5 {
        world.advance(BEAT);
        // Both filters are asked, whosever request it is.
        assert_eq!(world.metric("beats"), 2 * beats);
    }
    world.end(2);
    world.advance(BEAT);
    assert_eq!(world.metric("beats"), 12);
    world.end(3);
    world.advance(10 * BEAT);
    assert_eq!((world.metric("beats"), world.proxy.tick.0), (12, 0));
    world.arrive(4, &[("x-0", "e d30000")]);
    world.advance(3 * BEAT);
    assert_eq!(world.metric("beats"), 18, "while it waits, too");
}

/// What a trailer says is told at the end, in a call of the root context's: the request's is gone then. Nobody waits for it.
#[test]
fn a_last_call() {
    for (script, trailers, expected) in [("t", true, 1), ("t", false, 0), ("e", true, 0)] {
        let mut world = world();
        world.arrive(7, &[("x-0", script)]);
        world.respond(7);
        if trailers {
            world.proxy.current = 7;
            assert_eq!(world.worker.on_response_trailers(7, &mut world.proxy), Flow::Continue);
        }
        world.end(7);
        assert_eq!(world.proxy.under_way.len(), expected, "{script} {trailers}");
        world.worker.on_answer(Call::Grpc(1), Outcome::Grpc { status: 0 }, &mut world.proxy);
        world.advance(2 * BEAT);
        world.proxy.under_way.clear();
        world.assert_empty();
    }
}

/// A request that began with an older configuration still needs its beats, and those of now theirs.
#[test]
fn beats_of_several_configurations() {
    let mut world = world();
    world.arrive(1, &[("x-0", "e")]);
    world.worker.configure(filters(1));
    world.arrive(2, &[("x-0", "e")]);
    world.arrive(3, &[("x-0", "e")]);
    world.advance(BEAT);
    assert_eq!(world.metric("beats"), 4, "two filters of two configurations");
}
