//! Watching a run: progress, trajectories, early stops.

use std::ops::ControlFlow;

use sde_core::{StepIndex, Time};

/// Where a run stands.
#[derive(Debug)]
pub struct Progress<'a, X> {
    /// The number of steps done: 0 for the starting state, [`Progress::steps`] for the sample.
    pub step: StepIndex,
    /// The number of steps of the whole run; those that [resampling](crate::editing::Resampling) takes again
    /// count each time.
    pub steps: usize,
    /// The time t of the state; 0 for the sample of [`LastStep::Denoise`](crate::LastStep::Denoise).
    pub time: Time,
    /// The state x at that time, shape `[batch, ...]`, not scaled.
    pub x: &'a X,
    /// The number of score evaluations so far.
    pub nfe: usize,
}

/// Sees every state of a run, N + 1 of them for N steps, and may stop it. Of a run that is held to something
/// known, it sees the states after the known part was replaced.
///
/// Closures `FnMut(Progress<'_, X>) -> ControlFlow<()>` are observers. Reading `x` on a device
/// synchronises with it.
pub trait Observer<X> {
    /// Called for the starting state and after every step; `Break` ends the run with
    /// [`SolveError::Stopped`](crate::SolveError::Stopped).
    fn observe(&mut self, progress: Progress<'_, X>) -> ControlFlow<()>;
}

impl<X, F: FnMut(Progress<'_, X>) -> ControlFlow<()>> Observer<X> for F {
    fn observe(&mut self, progress: Progress<'_, X>) -> ControlFlow<()> {
        self(progress)
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl<X> Observer<X> for Unobserved {
    fn observe(&mut self, _: Progress<'_, X>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Keeps the starting state, every k-th state after it, and the sample.
#[derive(Clone, Debug)]
pub struct Trajectory<X> {
    every: usize,
    states: Vec<(Time, X)>,
}

impl<X> Trajectory<X> {
    /// Keeps one state in `every`; 0 counts as 1.
    #[must_use]
    pub fn new(every: usize) -> Self {
        Self {
            every: every.max(1),
            states: Vec::new(),
        }
    }

    /// The states kept so far with their times, from noise to data.
    #[must_use]
    pub fn states(&self) -> &[(Time, X)] {
        &self.states
    }

    /// The states kept, from noise to data.
    #[must_use]
    pub fn into_states(self) -> Vec<(Time, X)> {
        self.states
    }
}

impl<X: Clone> Observer<X> for Trajectory<X> {
    fn observe(&mut self, progress: Progress<'_, X>) -> ControlFlow<()> {
        let StepIndex(step) = progress.step;
        if step % self.every == 0 || step == progress.steps {
            self.states.push((progress.time, progress.x.clone()));
        }
        ControlFlow::Continue(())
    }
}
