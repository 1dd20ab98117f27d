//! Delays, call-outs and ends, in each order.

use super::*;

fn world() -> World<Filters> {
    World::new(filters(0))
}

#[test]
fn a_delay_ends_when_it_is_over_and_not_before() {
    let mut world = world();
    assert_eq!(world.arrive(2, &[("x-0", "d5")]), Flow::Pause);
    assert_eq!(world.proxy.tick.0, 5);
    world.advance(5 * MILLISECOND - 1);
    assert_eq!(world.state(2), State::Open);
    world.advance(1);
    assert_eq!(world.state(2), State::Passed);
    assert_eq!(world.story(2), "0.0 arrived, 0.0 delayed, 0.1 arrived");
    world.assert_empty();
}

/// The clock has nanoseconds, the tick milliseconds: one that comes a little early is no reason to let through.
#[test]
fn a_tick_that_comes_early() {
    let mut world = world();
    world.arrive(2, &[("x-0", "d5")]);
    world.proxy.now += 4 * MILLISECOND;
    world.worker.on_tick(&mut world.proxy);
    assert_eq!((world.state(2), world.proxy.tick.0), (State::Open, 1));
    world.advance(MILLISECOND);
    assert_eq!(world.state(2), State::Passed);
    world.assert_empty();
}

#[test]
fn the_shorter_delay_ends_first() {
    let mut world = world();
    world.arrive(2, &[("x-0", "d50")]);
    world.advance(10 * MILLISECOND);
    world.arrive(3, &[("x-1", "d5")]);
    assert_eq!(world.proxy.tick.0, 5);
    world.arrive(4, &[("x-0", "d20 d20")]);
    world.advance(5 * MILLISECOND);
    assert_eq!([2, 3, 4].map(|context| world.state(context)), [State::Open, State::Passed, State::Open]);
    world.advance(25 * MILLISECOND);
    assert_eq!([2, 4].map(|context| world.state(context)), [State::Open, State::Open]);
    world.advance(10 * MILLISECOND);
    assert_eq!([2, 4].map(|context| world.state(context)), [State::Passed, State::Passed]);
    assert_eq!(world.story(4), "0.0 arrived, 0.0 delayed, 0.0 delayed, 0.1 arrived");
    world.assert_empty();
}

#[test]
fn no_delay_at_all_and_one_for_ever() {
    let mut world = world();
    world.arrive(2, &[("x-0", "d0")]);
    world.advance(MILLISECOND);
    assert_eq!(world.state(2), State::Passed);
    world.arrive(3, &[("x-0", &format!("d{}", u64::MAX))]);
    assert_eq!(world.proxy.tick.0, u32::MAX);
    world.end(3);
    world.assert_empty();
}

#[test]
fn a_client_leaves_during_its_delay() {
    let mut world = world();
    world.arrive(2, &[("x-0", "d5")]);
    world.arrive(3, &[("x-0", "d5")]);
    world.end(2);
    assert_eq!(world.proxy.tick.0, 5);
    world.advance(5 * MILLISECOND);
    assert_eq!(world.state(3), State::Passed);
    world.arrive(4, &[("x-0", "d5")]);
    world.end(4);
    world.assert_empty();
}

/// The proxy answers in our stead while a request waits: it waits no longer.
#[test]
fn a_response_ends_a_wait() {
    for script in ["d5", "h", "g", "d1 h", "k d5"] {
        let mut world = world();
        world.arrive(2, &[("x-0", "k"), ("x-1", script)]);
        world.respond(2);
        let expected: &[&str] =
            &["+kept=0.0 true", if script.starts_with('k') { "+kept=0.1 true" } else { "+kept=0.1 false" }];
        assert_eq!(world.proxy.streams[&2].response_writes, expected);
        let state = world.state(2);
        for call in world.proxy.under_way.clone() {
            world.answer(call, true);
        }
        world.advance(100 * MILLISECOND);
        assert_eq!(world.state(2), state, "{script}");
        world.end(2);
        world.assert_empty();
    }
}

#[test]
fn an_answer_wakes_the_filter_that_asked() {
    for (script, answered, told) in
        [("h", true, "http 200 4"), ("h", false, "failed"), ("g", true, "grpc 0 4"), ("g", false, "grpc 14 0")]
    {
        let mut world = world();
        world.arrive(2, &[("x-1", script)]);
        assert_eq!(world.proxy.current, 2, "the root context only sends");
        let call = world.proxy.under_way[0];
        world.answer(call, answered);
        assert_eq!(world.state(2), State::Passed);
        assert_eq!(world.story(2), format!("0.0 arrived, 0.1 arrived, 0.1 {told}"));
        world.answer(call, answered); // once more, and it is nobody's
        world.assert_empty();
    }
}

/// HTTP and gRPC count their tokens each for itself.
#[test]
fn an_answer_of_the_other_kind_is_nobodys() {
    let mut world = world();
    world.arrive(2, &[("x-0", "h")]);
    world.answer(Call::Grpc(1), true);
    assert_eq!(world.state(2), State::Open);
    world.answer(Call::Http(2), true);
    assert_eq!(world.state(2), State::Open);
    world.answer(Call::Http(1), true);
    assert_eq!(world.state(2), State::Passed);
    world.assert_empty();
}

#[test]
fn an_answer_that_cannot_be_read() {
    for (refused, script) in [("read", "h"), ("buffer", "g")] {
        let mut world = world();
        world.arrive(2, &[("x-0", script)]);
        world.proxy.refused = refused;
        let call = world.proxy.under_way[0];
        world.answer(call, true);
        assert_eq!(world.story(2), "0.0 arrived, 0.0 failed, 0.1 arrived");
        world.assert_empty();
    }
}

#[test]
fn a_call_that_cannot_be_sent_fails_at_once() {
    for (refused, script) in [("http call", "h h"), ("grpc call", "g g")] {
        let mut world = world();
        world.proxy.refused = refused;
        assert_eq!(world.arrive(2, &[("x-0", script)]), Flow::Continue);
        assert_eq!(world.story(2), "0.0 arrived, 0.0 failed, 0.0 failed, 0.1 arrived");
        world.assert_empty();
    }
    // Also from a tick: then the request has to be resumed.
    let mut world = world();
    world.proxy.refused = "http call";
    world.arrive(2, &[("x-0", "d1 h d1 h")]);
    world.advance(2 * MILLISECOND);
    assert_eq!(world.state(2), State::Passed);
    world.assert_empty();
}

#[test]
fn a_client_leaves_during_a_call() {
    for script in ["h", "g", "d1 h"] {
        let mut world = world();
        world.arrive(2, &[("x-0", script)]);
        world.advance(MILLISECOND);
        let call = world.proxy.under_way[0];
        world.end(2);
        world.assert_empty();
        world.answer(call, true);
        world.assert_empty();
    }
}

/// The context is gone, and the proxy has not said so yet: no call may hit whatever context was the last.
#[test]
fn a_context_that_is_gone() {
    let mut world = world();
    world.arrive(2, &[("x-0", "d1")]);
    world.arrive(3, &[("x-0", "h")]);
    world.proxy.streams.clear();
    world.advance(MILLISECOND);
    world.answer(Call::Http(1), true);
    for context in [2, 3] {
        world.proxy.current = context;
        world.worker.on_end(context, &mut world.proxy);
    }
    world.assert_empty();
}

#[test]
fn an_answer_of_our_own_after_a_wait() {
    let mut world = world();
    world.arrive(2, &[("x-0", "d1 h r"), ("x-1", "d1")]);
    world.advance(MILLISECOND);
    world.answer(Call::Http(1), true);
    assert_eq!(world.state(2), State::Answered(403));
    assert_eq!(world.proxy.streams[&2].writes, Vec::<String>::new());
    world.respond(2);
    world.end(2);
    world.assert_empty();
}

/// A new configuration is for new requests.
#[test]
fn a_request_that_waits_keeps_its_filters() {
    let mut world = world();
    world.arrive(2, &[("x-0", "k"), ("x-1", "d5")]);
    world.worker.configure(filters(1));
    world.arrive(3, &[("x-1", "d5")]);
    world.advance(5 * MILLISECOND);
    assert_eq!(world.story(2), "0.0 arrived, 0.1 arrived, 0.1 delayed");
    assert_eq!(world.story(3), "1.0 arrived, 1.1 arrived, 1.1 delayed");
    world.respond(2);
    assert_eq!(world.proxy.streams[&2].response_writes, ["+kept=0.0 true", "+kept=0.1 false"]);
    world.assert_empty();
}

/// What steers is out of every filter's sight, and is gone even if the request waits in between.
#[test]
fn what_steers_is_taken_out() {
    let mut world = world();
    world.arrive(2, &[("steering", "1"), ("x-0", "d1"), ("steering", "2")]);
    world.advance(MILLISECOND);
    assert_eq!(world.proxy.streams[&2].writes[0], "-steering");
    world.assert_empty();
}

/// What a tick wakes takes stack of the proxy's, so it wakes few, and the next tick comes at once.
#[test]
fn many_that_are_due_together() {
    let mut world = World::new(filters(0));
    for context in 10..1010 {
        world.arrive(context, &[("x-0", "d5")]);
    }
    let passed = |world: &World<Filters>| (10..1010).filter(|context| world.state(*context) == State::Passed).count();
    world.advance(5 * MILLISECOND);
    let mut woken = vec![passed(&world)];
    while *woken.last().unwrap() < 1000 {
        world.advance(MILLISECOND);
        woken.push(passed(&world));
    }
    assert!(woken[0] > 0 && woken.windows(2).all(|pair| (1..=64).contains(&(pair[1] - pair[0]))), "{woken:?}");
    for context in 10..1010 {
        world.end(context);
    }
    world.assert_empty();
}

/// What somebody else wants the upstream to have: not what steers us.
#[test]
fn foreign_headers() {
    let mut world = World::new(filters(0));
    world.arrive(2, &[("x-0", "f"), ("x-1", "f")]);
    let foreign = world.proxy.streams[&2].writes.iter().filter(|write| !write.contains("story"));
    assert_eq!(foreign.collect::<Vec<_>>(), ["+other=1", "+other=1"]);
}
