//! A batch in parts, one a thread.

use std::ops::Range;

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;
use tracing::trace_span;

/// The fewest samples of a part: with fewer, what is done once a part is most of what is done.
const FEWEST: usize = 4;

/// What `work` makes of the samples of each part of a batch on `device`, in their order.
///
/// On Burn's CPU backend the parts go through the whole network side by side, so that no thread waits
/// for another after every layer, nor is idle in those that use one alone. Elsewhere there is one part.
pub(crate) fn in_parts<T: Send>(
    batch: usize,
    device: &Device,
    work: impl Fn(Range<usize>) -> T + Sync + Send,
) -> Vec<T> {
    if *device != Device::flex() {
        return vec![work(0..batch)];
    }
    // What this thread does while others work.
    let waiting = trace_span!(target: "profile::waiting", "parts");
    let parts = rayon::current_num_threads().min(batch / FEWEST);
    if parts < 2 {
        // From a thread of the pool, what is parallel inside an operation goes on at once; from any
        // other it is handed over, and waited for, each time.
        return waiting.in_scope(|| rayon::scope(|_| vec![work(0..batch)]));
    }
    let bound = |part: usize| batch * part / parts;
    let ranges: Vec<_> = (0..parts)
        .map(|part| bound(part)..bound(part + 1))
        .collect();
    waiting.in_scope(|| ranges.into_par_iter().map(work).collect())
}

/// What `network` makes of `x`, whose samples it treats each on its own; it is given each part and the
/// places of its samples.
///
/// Where gradients are kept, the batch goes through in one piece.
pub(crate) fn by_sample(
    x: Tensor<4>,
    network: impl Fn(Tensor<4>, Range<usize>) -> Tensor<4> + Sync + Send,
) -> Tensor<4> {
    let network = |x, samples| {
        trace_span!(target: "profile::phase", "forward").in_scope(|| network(x, samples))
    };
    let [batch, ..] = x.dims();
    if x.is_autodiff() {
        return network(x, 0..batch);
    }
    let mut outputs = in_parts(batch, &x.device(), |samples: Range<usize>| {
        network(part(&x, &samples), samples)
    });
    match outputs.len() {
        1 => outputs.remove(0),
        _ => Tensor::cat(outputs, 0),
    }
}

/// The samples at these places.
pub(crate) fn part(x: &Tensor<4>, samples: &Range<usize>) -> Tensor<4> {
    let [batch, ..] = x.dims();
    if samples.len() == batch {
        return x.clone();
    }
    x.clone().narrow(0, samples.start, samples.len())
}
