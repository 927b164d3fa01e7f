//! The memory allocator of the programs, those of the benchmarks among them.

use std::alloc::{GlobalAlloc, Layout};
use std::io::Write;
use std::sync::OnceLock;

use libmimalloc_sys::{mi_option_set, mi_option_t};
use mimalloc::MiMalloc;

/// Burn's CPU backend allocates every tensor anew; glibc's allocator gives large ones back to the
/// kernel each time, and their pages have to be faulted in again.
#[global_allocator]
static ALLOCATOR: Telling = Telling(MiMalloc);

/// An allocator that says what to do where it has nothing left, and ends the program, as Rust would.
struct Telling(MiMalloc);

/// What it says.
static HINT: OnceLock<String> = OnceLock::new();

/// Sets what is said when memory cannot be had; whatever was set first stays.
#[allow(
    dead_code,
    reason = "the benchmarks, which share this file, have nothing to say"
)]
pub fn hint(text: String) {
    let _ = HINT.set(text);
}

/// Allocations below this are somebody's small change: what is missing is missing elsewhere.
const LARGE: usize = 1 << 16;

impl Telling {
    fn told(memory: *mut u8, bytes: usize) -> *mut u8 {
        if memory.is_null()
            && bytes >= LARGE
            && let Some(hint) = HINT.get()
        {
            // Writes to standard error directly, and allocates nothing.
            let _ = std::io::stderr().write_all(hint.as_bytes());
            // Rust would do the same, below a page of stack frames that tell nobody anything.
            std::process::abort();
        }
        memory
    }
}

// SAFETY: every call is mimalloc's own, its result unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Telling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        Self::told(unsafe { self.0.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        Self::told(unsafe { self.0.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        Self::told(unsafe { self.0.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { self.0.dealloc(memory, layout) }
    }
}

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
