//! Which span lies in which, and how much of its time is its own.

use std::cmp::Reverse;
use std::time::Duration;

use crate::collector::{Event, Kind};

/// A span in its place.
#[derive(Debug, PartialEq)]
pub struct Nested<'a> {
    pub event: &'a Event,
    /// Its time less that of the spans directly in it.
    pub own: Duration,
    /// The innermost phase that it is or lies in.
    pub phase: Option<&'a Event>,
    /// The innermost layer of that phase that it is or lies in.
    pub layer: Option<&'a Event>,
}

/// Every span, thread by thread, in the order in which they began.
///
/// On one thread a span lies in another or beside it, never across its ends.
pub fn nest(events: &[Event]) -> Vec<Nested<'_>> {
    // A span is left before the one that it lies in: of two with the same times the later one in the
    // list is around the other.
    let mut order: Vec<&Event> = events.iter().rev().collect();
    order.sort_by_key(|event| (event.thread, event.begin, Reverse(event.end)));
    let mut nested: Vec<Nested<'_>> = Vec::with_capacity(order.len());
    let mut around: Vec<usize> = Vec::new();
    for event in order {
        let over = |outer: &Event| outer.thread != event.thread || outer.end <= event.begin;
        while around
            .last()
            .is_some_and(|&outer| over(nested[outer].event))
        {
            around.pop();
        }
        let time = event.end - event.begin;
        let (mut phase, mut layer) = (None, None);
        if let Some(&outer) = around.last() {
            let outer = &mut nested[outer];
            outer.own = outer.own.saturating_sub(time);
            (phase, layer) = (outer.phase, outer.layer);
        }
        match event.kind {
            Kind::Phase => (phase, layer) = (Some(event), None),
            Kind::Layer => layer = Some(event),
            Kind::Operation | Kind::Waiting => {}
        }
        around.push(nested.len());
        nested.push(Nested {
            event,
            own: time,
            phase,
            layer,
        });
    }
    nested
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A span on a thread, from one millisecond to another.
    pub fn span(
        thread: usize,
        kind: Kind,
        name: &'static str,
        shape: &str,
        [begin, end]: [u64; 2],
    ) -> Event {
        Event {
            thread,
            kind,
            name,
            shape: shape.to_owned(),
            begin: Duration::from_millis(begin),
            end: Duration::from_millis(end),
        }
    }

    /// A step of 100 ms, whose part is worked on by another thread, in the order of the exits.
    pub fn step() -> Vec<Event> {
        use Kind::{Layer, Operation, Phase, Waiting};
        vec![
            span(1, Phase, "draw", "", [2, 5]),
            span(1, Operation, "conv2d", "a", [10, 20]),
            span(1, Operation, "conv2d", "a", [20, 25]),
            span(1, Layer, "down", "14x14", [8, 30]),
            span(1, Operation, "silu", "b", [31, 32]),
            span(1, Phase, "forward", "", [6, 40]),
            span(1, Operation, "conv2d backward", "a", [45, 75]),
            span(1, Phase, "backward", "", [40, 80]),
            span(1, Phase, "part", "", [1, 81]),
            span(0, Waiting, "parts", "", [1, 82]),
            span(0, Operation, "adamw_ema", "c", [91, 97]),
            span(0, Phase, "optimiser", "", [90, 98]),
            span(0, Phase, "step", "", [0, 100]),
        ]
    }

    #[test]
    fn a_spans_own_time_is_what_the_spans_in_it_leave() {
        let events = step();
        let own: Vec<_> = nest(&events)
            .iter()
            .map(|found| (found.event.name, found.own.as_millis()))
            .collect();
        let expected = [
            ("step", 11),
            ("parts", 81),
            ("optimiser", 2),
            ("adamw_ema", 6),
            ("part", 3),
            ("draw", 3),
            ("forward", 11),
            ("down", 7),
            ("conv2d", 10),
            ("conv2d", 5),
            ("silu", 1),
            ("backward", 10),
            ("conv2d backward", 30),
        ];
        assert_eq!(own, expected);
    }

    #[test]
    fn an_operation_belongs_to_the_innermost_phase_and_layer_around_it() {
        let events = step();
        let nested = nest(&events);
        let places: Vec<_> = nested
            .iter()
            .filter(|found| found.event.kind == Kind::Operation)
            .map(|found| {
                let name = |event: Option<&Event>| event.map(|event| event.name);
                (found.event.name, name(found.phase), name(found.layer))
            })
            .collect();
        let expected = [
            ("adamw_ema", Some("optimiser"), None),
            ("conv2d", Some("forward"), Some("down")),
            ("conv2d", Some("forward"), Some("down")),
            ("silu", Some("forward"), None),
            ("conv2d backward", Some("backward"), None),
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn of_two_spans_with_the_same_times_the_one_left_last_is_around_the_other() {
        let events = [
            span(0, Kind::Operation, "inner", "", [3, 7]),
            span(0, Kind::Phase, "outer", "", [3, 7]),
        ];
        let nested = nest(&events);
        assert_eq!(nested[0].event.name, "outer");
        assert_eq!(nested[0].own, Duration::ZERO);
        assert_eq!(nested[1].own, Duration::from_millis(4));
    }
}
