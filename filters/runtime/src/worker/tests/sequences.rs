//! Whatever happens in whatever order. The proxy of these tests panics where a real one would be misused: resumed twice,
//! answered twice, written to too late.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Event {
    Arrive(String, String),
    Pass(u64),
    EarlyTick,
    Answer(prop::sample::Index, bool),
    StrayAnswer(u32),
    Respond(prop::sample::Index),
    End(prop::sample::Index),
    Vanish(prop::sample::Index),
    Configure,
    Refuse(&'static str),
}

fn script() -> impl Strategy<Value = String> {
    let word = prop_oneof![4 => (0u32..20).prop_map(|time| format!("d{time}")), 2 => Just("h".into()), 2 => Just("g".into()), 1 => Just("r".into()), 1 => Just("k".into())];
    prop::collection::vec(word, 0..4).prop_map(|words| words.join(" "))
}

fn event() -> impl Strategy<Value = Event> {
    let index = any::<prop::sample::Index>;
    let refusal = prop_oneof![2 => Just(""), 1 => Just("http call"), 1 => Just("grpc call"), 1 => Just("buffer"), 1 => Just("write")];
    prop_oneof![
        6 => (script(), script()).prop_map(|(first, second)| Event::Arrive(first, second)),
        4 => (0u64..15_000_000).prop_map(Event::Pass),
        1 => Just(Event::EarlyTick),
        4 => (index(), any::<bool>()).prop_map(|(call, answered)| Event::Answer(call, answered)),
        1 => (0u32..9).prop_map(Event::StrayAnswer),
        2 => index().prop_map(Event::Respond),
        3 => index().prop_map(Event::End),
        1 => index().prop_map(Event::Vanish),
        1 => Just(Event::Configure),
        1 => refusal.prop_map(Event::Refuse),
    ]
}

fn one<T: Copy>(index: &prop::sample::Index, all: &[T]) -> Option<T> {
    (!all.is_empty()).then(|| *index.get(all))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn nothing_leaks_and_nothing_is_lost(events in prop::collection::vec(event(), 1..60)) {
        let mut world = World::new(filters(0));
        let (mut next, mut generation, mut vanished) = (2, 0, Vec::new());
        for event in &events {
            let there: Vec<u32> = world.proxy.streams.keys().copied().collect();
            match event {
                Event::Arrive(first, second) => {
                    world.arrive(next, &[("x-0", first.as_str()), ("steering", "1"), ("x-1", second.as_str())]);
                    next += 1;
                }
                Event::Pass(time) => world.advance(*time),
                Event::EarlyTick => {
                    world.proxy.current = ROOT;
                    world.worker.on_tick(&mut world.proxy);
                }
                Event::Answer(call, answered) => {
                    let under_way = world.proxy.under_way.clone();
                    if let Some(call) = one(call, &under_way) {
                        world.answer(call, *answered);
                    }
                }
                Event::StrayAnswer(token) => {
                    if !world.proxy.under_way.contains(&Call::Http(*token)) {
                        world.answer(Call::Http(*token), true);
                    }
                }
                Event::Respond(index) => {
                    if let Some(context) = one(index, &there) {
                        // The proxy has an answer for the client, ours or another: nothing may be resumed after it.
                        if world.state(context) == State::Open {
                            world.proxy.streams.get_mut(&context).unwrap().state = State::Answered(0);
                        }
                        world.respond(context);
                    }
                }
                Event::End(index) => {
                    if let Some(context) = one(index, &there) {
                        world.end(context);
                    }
                }
                // Gone, though we are not told before the end.
                Event::Vanish(index) => {
                    if let Some(context) = one(index, &there) {
                        world.proxy.streams.remove(&context);
                        vanished.push(context);
                    }
                }
                Event::Configure => {
                    generation += 1;
                    world.worker.configure(filters(generation));
                }
                Event::Refuse(call) => world.proxy.refused = call,
            }
            // Each open request waits for something that will come.
            for context in world.proxy.streams.keys() {
                if world.state(*context) == State::Open {
                    prop_assert!(world.worker.streams.contains_key(context), "{} waits for nothing", context);
                }
            }
        }
        // Time passes and answers come, until nobody waits.
        world.proxy.refused = "";
        for _ in 0..20 {
            world.advance(20 * MILLISECOND);
            for call in world.proxy.under_way.clone() {
                world.answer(call, true);
            }
        }
        let contexts: Vec<u32> = world.proxy.streams.keys().copied().collect();
        for context in contexts {
            let state = world.end(context);
            prop_assert!(state != State::Open, "{context} never went on");
        }
        for context in vanished {
            world.worker.on_end(context, &mut world.proxy);
        }
        world.assert_empty();
    }
}
