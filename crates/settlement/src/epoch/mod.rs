//! An epoch from its opening to the last leaf.
//!
//! The state of an epoch is on the chain and nowhere else: [`next`](plan::next) looks at it and says
//! what is to be done, and [`Driver`] does it and looks again. So a driver may be killed anywhere
//! and another one go on, steps may happen twice or be done by strangers, and each leaf is still
//! paid once: what is done is not proposed again, and what happens twice the program refuses.
//!
//! open → draw (16 jobs a transaction) → approve (guardians whose keys are at hand) → wait for the
//! deadline → seal → push (16 leaves a transaction) → close. A cancelled epoch's draws are returned.
//!
//! Reading order: [`plan`] (what is to be done, pure) → [`drive`] (doing it) → [`cost`].

pub mod cost;
pub mod drive;
pub mod plan;

pub use drive::{Done, DriveError, Driver, Keys, Progress, Stand};
pub use plan::{Action, ChainView, Draw, End, EpochPlan, Next, PlanError, Wait, next};
