//! There is nothing to build; the file lets Cargo unify the features of build dependencies.

#[allow(clippy::print_stdout)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
