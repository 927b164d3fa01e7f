//! A batch in parts, one a thread.

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;
use tracing::trace_span;

/// The fewest samples of a part: with fewer, what is done once a part is most of what is done.
const FEWEST: usize = 4;

/// What `network` makes of `x`, whose samples it treats each on its own.
///
/// On Burn's CPU backend the parts of a batch go through the whole network side by side, so that no
/// thread waits for another after every layer, nor is idle in those that use one alone. Elsewhere, and
/// where gradients are kept, the batch goes through in one piece.
pub(crate) fn by_sample(
    x: Tensor<4>,
    network: impl Fn(Tensor<4>) -> Tensor<4> + Sync + Send,
) -> Tensor<4> {
    let network = |x| trace_span!(target: "profile::phase", "forward").in_scope(|| network(x));
    let [batch, ..] = x.dims();
    let parts = rayon::current_num_threads().min(batch / FEWEST);
    if x.device() != Device::flex() || x.is_autodiff() {
        return network(x);
    }
    // What this thread does while others work.
    let waiting = trace_span!(target: "profile::waiting", "parts");
    if parts < 2 {
        // From a thread of the pool, what is parallel inside an operation goes on at once; from any
        // other it is handed over, and waited for, each time.
        return waiting.in_scope(|| rayon::scope(|_| network(x)));
    }
    let bound = |part: usize| batch * part / parts;
    let inputs: Vec<Tensor<4>> = (0..parts)
        .map(|part| {
            x.clone()
                .narrow(0, bound(part), bound(part + 1) - bound(part))
        })
        .collect();
    let outputs = waiting.in_scope(|| inputs.into_par_iter().map(network).collect());
    Tensor::cat(outputs, 0)
}
