//! The pictures that a run leaves behind, one kind a file, all PNG.

mod axis;
mod before_after;
mod curve_plot;
mod image_grid;
mod loss_plot;
mod mosaic;
mod neighbour_rows;
mod nfe_plot;
mod noised_strip;
mod picture;
mod process_plot;
mod schedule_plot;
mod titled_rows;
mod triptych;

pub use axis::label;
pub use before_after::{Cell, Edited, before_after};
pub use curve_plot::{Curve, CurvePanel, CurvePlot, Look, Stroke, curve_plot};
pub use image_grid::{image_grid, image_rows};
pub use loss_plot::loss_plot;
pub use mosaic::{Cloud, Panel, Shares, mosaic};
pub use neighbour_rows::{NeighbourRow, neighbour_rows};
pub use nfe_plot::{NfePanel, NfePlot, nfe_plot};
pub use noised_strip::{Tile, noised_strip};
pub use picture::{BLUE, INK, ORANGE, Picture, TEAL};
pub use process_plot::{ProcessPanel, ProcessPlot, process_plot};
pub use schedule_plot::{SchedulePoint, schedule_plot};
pub use titled_rows::{TitledRow, titled_rows};
pub use triptych::{Triptych, VectorField, half_side, scatter_plot, scatter_within, triptych};
