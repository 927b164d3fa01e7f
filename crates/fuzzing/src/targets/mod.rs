//! The targets, a module a family. To add one, write its module with a slice of targets, and name the
//! slice in [`all`].

mod arrays;
mod config;
#[cfg(feature = "models")]
mod models;
mod pictures;
mod planted;
mod records;

use crate::Target;
pub use planted::PLANTED;

/// Every target.
#[must_use]
pub fn all() -> Vec<&'static Target> {
    let families: [&'static [Target]; 5] = [
        &records::TARGETS,
        &arrays::TARGETS,
        &pictures::TARGETS,
        &config::TARGETS,
        models(),
    ];
    families.into_iter().flatten().collect()
}

/// Those that need Burn.
fn models() -> &'static [Target] {
    #[cfg(feature = "models")]
    return &models::TARGETS;
    #[cfg(not(feature = "models"))]
    &[]
}
