//! Responses whose bodies are held back.

use super::*;

fn slow(milliseconds: u32) -> World<Filters> {
    let mut world = World::new(filters(0));
    world.arrive(7, &[("x-0", &format!("b{milliseconds}"))]);
    world.proxy.current = 7;
    assert!(world.worker.on_response(7, &mut world.proxy), "its body is to be told of");
    world
}

impl World<Filters> {
    fn held(&self) -> usize {
        self.proxy.streams[&7].held
    }

    fn trailers(&mut self) -> Flow {
        self.worker.on_response_trailers(7, &mut self.proxy)
    }
}

#[test]
fn nobody_is_told_of_other_bodies() {
    let mut world = World::new(filters(0));
    world.arrive(7, &[("x-0", "k")]);
    world.proxy.current = 7;
    assert!(!world.worker.on_response(7, &mut world.proxy));
    assert!(!world.body(7, 1));
    world.end(7);
    world.assert_empty();
}

#[test]
fn a_part_is_held_and_let_go() {
    let mut world = slow(5);
    assert_eq!(world.trailers(), Flow::Continue);
    assert!(world.body(7, 10));
    assert_eq!(world.trailers(), Flow::Pause);
    world.advance(4 * MILLISECOND);
    assert_eq!(world.held(), 10);
    world.advance(MILLISECOND);
    assert_eq!((world.held(), world.trailers()), (0, Flow::Continue));
    // Its end has nothing to wait for.
    assert!(!world.body(7, 0));
    world.end(7);
    world.advance(20_000 * MILLISECOND);
    world.assert_empty();
}

#[test]
fn all_that_is_held_goes_when_the_last_of_it_may() {
    let mut world = slow(5);
    assert!(world.body(7, 10));
    world.advance(2 * MILLISECOND);
    assert!(world.body(7, 20));
    assert!(world.body(7, 0), "the end must not take along what is held");
    world.advance(7 * MILLISECOND);
    assert_eq!(world.held(), 30);
    world.advance(MILLISECOND);
    assert_eq!(world.held(), 0);
    assert!(world.body(7, 1));
    assert_eq!(world.calls().matches("resume response").count(), 1);
}

#[test]
fn one_that_ends_is_not_resumed() {
    let mut world = slow(5);
    assert!(world.body(7, 10));
    world.end(7);
    world.advance(20_000 * MILLISECOND);
    world.assert_empty();
}

#[test]
fn one_that_is_gone_is_not_resumed() {
    let mut world = slow(5);
    assert!(world.body(7, 10));
    let stream = world.proxy.streams.remove(&7).unwrap();
    world.advance(20 * MILLISECOND);
    world.proxy.streams.insert(7, stream);
    assert_eq!(world.held(), 10);
    world.end(7);
    world.advance(20_000 * MILLISECOND);
    world.assert_empty();
}
