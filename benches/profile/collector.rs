//! Spans as they were entered and left, on every thread.

use std::cell::Cell;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// What a span is around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A phase of a step, such as its backward pass.
    Phase,
    /// A part of the network.
    Layer,
    /// An operation of the crate `kernels`.
    Operation,
    /// A thread that has left its work to others.
    Waiting,
}

impl Kind {
    fn of(metadata: &Metadata<'_>) -> Option<Self> {
        match metadata.target().strip_prefix("profile::")? {
            "phase" => Some(Self::Phase),
            "layer" => Some(Self::Layer),
            "operation" => Some(Self::Operation),
            "waiting" => Some(Self::Waiting),
            _ => None,
        }
    }
}

/// A span that was entered and left. Times are since the collector was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub thread: usize,
    pub kind: Kind,
    pub name: &'static str,
    /// Empty where it has none.
    pub shape: String,
    pub begin: Duration,
    pub end: Duration,
}

/// Writes down the spans whose targets begin with `profile::`. Clones share what they wrote.
#[derive(Clone)]
pub struct Collector {
    start: Instant,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Collector {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            events: Arc::default(),
        }
    }

    /// What was written since the last call, in the order in which the spans were left.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is known of a span before it is left.
#[derive(Default)]
struct Open {
    shape: String,
    begin: Duration,
}

impl Visit for Open {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "shape" {
            value.clone_into(&mut self.shape);
        }
    }

    // Fields of other types: there are none.
    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collector {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut open = Open::default();
            attributes.record(&mut open);
            span.extensions_mut().insert(open);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            open.begin = self.start.elapsed();
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let end = self.start.elapsed();
        let Some(span) = context.span(id) else { return };
        let Some(kind) = Kind::of(span.metadata()) else {
            return;
        };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            let event = Event {
                thread: this_thread(),
                kind,
                name: span.name(),
                shape: std::mem::take(&mut open.shape),
                begin: open.begin,
                end,
            };
            let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
            events.push(event);
        }
    }
}

/// A small number that is this thread's own.
fn this_thread() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| {
        let mine = number
            .get()
            .unwrap_or_else(|| COUNT.fetch_add(1, Ordering::Relaxed));
        number.set(Some(mine));
        mine
    })
}

#[cfg(test)]
mod tests {
    use tracing::trace_span;
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// As the binary's is, unless `RUST_LOG` says otherwise.
    #[test]
    fn a_subscriber_to_warnings_leaves_spans_disabled_and_their_shapes_unwritten() {
        let collector = Collector::new();
        let enabled_under = |filter: &str| {
            let subscriber = tracing_subscriber::registry()
                .with(EnvFilter::new(filter))
                .with(collector.clone());
            let mut written = false;
            tracing::subscriber::with_default(subscriber, || {
                let mut shape = || {
                    written = true;
                    String::new()
                };
                trace_span!(target: "profile::operation", "conv2d", shape = shape())
                    .in_scope(|| ());
            });
            (written, collector.take().len())
        };
        assert_eq!(enabled_under("warn"), (false, 0));
        assert_eq!(enabled_under("profile=trace"), (true, 1));
    }

    #[test]
    fn spans_of_the_profile_are_written_down_and_others_are_not() {
        let collector = Collector::new();
        let subscriber = tracing_subscriber::registry().with(collector.clone());
        tracing::subscriber::with_default(subscriber, || {
            let _phase = trace_span!(target: "profile::phase", "forward").entered();
            let _other = trace_span!("other", shape = "9").entered();
            let _operation =
                trace_span!(target: "profile::operation", "conv2d", shape = String::from("2x3"))
                    .entered();
        });
        let events = collector.take();
        let found: Vec<_> = events
            .iter()
            .map(|event| (event.kind, event.name, event.shape.as_str()))
            .collect();
        let expected = [
            (Kind::Operation, "conv2d", "2x3"),
            (Kind::Phase, "forward", ""),
        ];
        assert_eq!(found, expected);
        assert!(events[1].begin <= events[0].begin && events[0].end <= events[1].end);
        assert_eq!(events[0].thread, events[1].thread);
        assert!(collector.take().is_empty());
    }
}
