//! The CUDA build, as far as it can be checked without a GPU.
//!
//! Burn's CUDA backend links an LLVM that its build script downloads. With `DOCS_RS` set that script
//! returns at once, which is enough to type-check. To link as well, kernels are left to NVRTC (the
//! feature `cuda-nvrtc`), which is loaded at run time, and every LLVM function becomes a trap: a
//! binary so made must not compile a kernel through LLVM, and with that feature it never does. It is
//! then run as far as it goes anywhere: it lists its devices.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;

use crate::command::{Command, target_dir};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Also link a binary that compiles kernels with NVRTC, and let it list its devices (Linux; needs
    /// nm, cc and strip)
    #[arg(long)]
    link: bool,
}

pub fn run(args: &Args) -> Result<()> {
    // A folder of its own: DOCS_RS would make Cargo build half of the others' artefacts anew.
    let target = target_dir().join("cuda");
    check(&target).run()?;
    if args.link { link(&target) } else { Ok(()) }
}

fn check(target: &Path) -> Command {
    Command::cargo([
        "check",
        "--package",
        "tweedie",
        "--features",
        "cuda",
        "--target-dir",
    ])
    .args([target])
    .env("DOCS_RS", "1")
}

/// Builds the binary with one more word for the linker.
fn build(target: &Path, link_arg: &str) -> Command {
    Command::cargo(["rustc", "--package", "tweedie", "--bin", "tweedie"])
        .args(["--features", "cuda-nvrtc", "--target-dir"])
        .args([target])
        .args(["--", "-C", &format!("link-arg={link_arg}")])
        .env("DOCS_RS", "1")
}

fn link(target: &Path) -> Result<()> {
    let binary = target.join("debug/tweedie");
    let folder = target.join("stub");
    let [source, object, stripped] = ["stub.c", "stub.o", "tweedie"].map(|name| folder.join(name));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("could not create {}", folder.display()))?;

    build(target, "-Wl,--unresolved-symbols=ignore-all").run()?;
    let undefined = Command::new("nm", ["-D", "--undefined-only"])
        .args([&binary])
        .read()?;
    let names = missing(&undefined);
    if names.is_empty() {
        bail!("the binary misses no LLVM function: is LLVM linked after all, or the feature gone?");
    }
    std::fs::write(&source, traps(&names))
        .with_context(|| format!("could not write {}", source.display()))?;
    Command::new("cc", ["-c", "-O1", "-w", "-o"])
        .args([&object, &source])
        .run()?;
    let object = object
        .to_str()
        .context("the target folder's path is not UTF-8")?;
    build(target, object).run()?;
    Command::new("strip", ["-o"])
        .args([&stripped, &binary])
        .run()?;

    let size = std::fs::metadata(&stripped)?.len() as f64 / 1e6;
    println!(
        "{} ({size:.0} MB, {} traps)",
        stripped.display(),
        names.len()
    );
    list_devices(&stripped)
}

/// Runs `devices`, which asks the driver, or finds that there is none, and compiles no kernel.
fn list_devices(binary: &Path) -> Result<()> {
    let devices = Command::new(binary, ["devices"]);
    let listed = devices.read()?;
    print!("{listed}");
    if !lists_cuda(&listed) {
        bail!("`{devices}` does not list CUDA as built in");
    }
    Ok(())
}

/// Whether the table of `tweedie devices` has a row `cuda  yes …`.
fn lists_cuda(table: &str) -> bool {
    table
        .lines()
        .any(|line| line.split_whitespace().take(2).eq(["cuda", "yes"]))
}

/// The functions of LLVM, and of CubeCL's wrapper around it, that `nm` lists as undefined.
fn missing(nm: &str) -> BTreeSet<&str> {
    nm.lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|name| name.starts_with("LLVM") || name.starts_with("cubecl_"))
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .collect()
}

/// C functions of these names that stop the program.
fn traps(names: &BTreeSet<&str>) -> String {
    names.iter().fold(String::new(), |mut source, name| {
        let _ = writeln!(source, "void {name}(void) {{ __builtin_trap(); }}");
        source
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_has_a_folder_of_its_own_and_no_llvm() {
        assert_eq!(
            check(Path::new("t/cuda")).to_string(),
            "DOCS_RS=1 cargo check --package tweedie --features cuda --target-dir t/cuda"
        );
        assert_eq!(
            build(Path::new("t"), "s.o").to_string(),
            "DOCS_RS=1 cargo rustc --package tweedie --bin tweedie --features cuda-nvrtc \
             --target-dir t -- -C link-arg=s.o"
        );
    }

    #[test]
    fn a_binary_without_cuda_is_told_by_its_list_of_devices() {
        assert!(lists_cuda("flex  yes  A CPU\ncuda  yes  -  -\n"));
        assert!(!lists_cuda(
            "flex  yes  A CPU\ncuda  no  -  -\n  cuda  Rebuild\n"
        ));
    }

    #[test]
    fn undefined_llvm_functions_become_traps() {
        let nm = "                 U LLVMAddFunction\n\
                  \x20                U malloc@GLIBC_2.2.5\n\
                  \x20                w LLVMAddFunction\n\
                  \x20                U cubecl_llvm_shim\n\
                  \x20                U LLVM@odd\n";
        assert_eq!(
            traps(&missing(nm)),
            "void LLVMAddFunction(void) { __builtin_trap(); }\n\
             void cubecl_llvm_shim(void) { __builtin_trap(); }\n"
        );
    }
}
