//! The pictures that a run leaves behind, one kind a file, all PNG.

mod axis;
mod image_grid;
mod loss_plot;
mod nfe_plot;
mod noised_strip;
mod picture;
mod schedule_plot;
mod triptych;

pub use axis::label;
pub use image_grid::image_grid;
pub use loss_plot::loss_plot;
pub use nfe_plot::{NfePanel, NfePlot, nfe_plot};
pub use noised_strip::{Tile, noised_strip};
pub use picture::Picture;
pub use schedule_plot::{SchedulePoint, schedule_plot};
pub use triptych::{Triptych, VectorField, half_side, scatter_plot, scatter_within, triptych};
