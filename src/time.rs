//! The clocks: the machine's time of day, its monotonic clock, deadlines, and the time by which a node decides.

mod clock;
mod deadline;
mod decision;
mod monotonic;
mod system;

pub use clock::Clock;
pub use deadline::Deadline;
pub use decision::Time;
pub use monotonic::Stopwatch;
pub use system::SystemClock;
