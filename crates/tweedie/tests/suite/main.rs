//! The program as its users meet it: every command in an empty folder of its own.

mod bad_input;
mod classes;
mod colours;
mod damped;
mod edit;
mod faults;
mod figures;
mod images;
mod latent;
mod learned_variance;
mod measures;
mod measures_more;
mod other_data;
mod place;
mod training;
mod verbs;
