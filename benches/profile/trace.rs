//! Spans as a trace that Perfetto and Chrome show on a time line.

use serde_json::{Value, json};

use crate::collector::{Event, Kind};

/// The trace, in Chrome's Trace Event Format: complete events, times in microseconds.
pub fn chrome(events: &[Event]) -> Value {
    let events: Vec<Value> = events.iter().map(complete).collect();
    json!({ "displayTimeUnit": "ms", "traceEvents": events })
}

fn complete(event: &Event) -> Value {
    let microseconds = |time: std::time::Duration| 1e6 * time.as_secs_f64();
    json!({
        "ph": "X",
        "name": event.name,
        "cat": match event.kind {
            Kind::Phase => "phase",
            Kind::Layer => "layer",
            Kind::Operation => "operation",
            Kind::Waiting => "waiting",
        },
        "ts": microseconds(event.begin),
        "dur": microseconds(event.end - event.begin),
        "pid": 1,
        "tid": event.thread,
        "args": { "shape": event.shape },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nesting::tests::span;

    #[test]
    fn a_span_is_a_complete_event_in_microseconds() {
        let trace = chrome(&[span(3, Kind::Layer, "down", "7x7", [2, 5])]);
        let event = &trace["traceEvents"][0];
        for (field, value) in [
            ("ph", json!("X")),
            ("name", json!("down")),
            ("cat", json!("layer")),
            ("tid", json!(3)),
            ("args", json!({ "shape": "7x7" })),
        ] {
            assert_eq!(event[field], value);
        }
        for (field, value) in [("ts", 2000.0), ("dur", 3000.0)] {
            assert!((event[field].as_f64().unwrap() - value).abs() < 1e-6);
        }
    }
}
