//! The memory allocator of the programs, those of the benchmarks among them.

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// Burn's CPU backend allocates every tensor anew; glibc's allocator gives large ones back to the
/// kernel each time, and their pages have to be faulted in again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Milliseconds after which memory that was freed goes back to the kernel; −1 for never. (The crate
/// has no name for it; its place in `mi_option_e` of mimalloc 3.)
const PURGE_DELAY: mi_option_t = 15;

/// Keeps freed memory for the next tensor: a step of training frees and takes the same tensors as the
/// one before, and faulting their pages in again cost 7 % of its time. The most that was ever needed is
/// held until the end.
pub fn keep_freed_memory() {
    // SAFETY: setting an option reads nothing but its arguments.
    #[allow(unsafe_code)]
    unsafe {
        mi_option_set(PURGE_DELAY, -1);
    }
}
