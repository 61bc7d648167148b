//! Figures: of one run, and of all runs of the same thing, as a table.

use std::fmt::Write;
use std::ops::Sub;

/// When a request was sent and answered, in microseconds since some moment.
#[derive(Clone, Copy)]
pub struct Times {
    pub began: f64,
    pub ended: f64,
}

impl Times {
    /// From a line of h2load's log, which the load writes too: start, status, length.
    pub fn of_h2load(line: &str) -> Self {
        let [began, _, length] = numbers(line)[..] else {
            panic!("{line}")
        };
        Self {
            began,
            ended: began + length,
        }
    }

    /// From a line of pgbench's log: client, transaction, length, script, and the end in seconds and microseconds.
    pub fn of_pgbench(line: &str) -> Self {
        let [_, _, length, _, seconds, microseconds] = numbers(line)[..] else {
            panic!("{line}")
        };
        let ended = seconds * 1e6 + microseconds;
        Self {
            began: ended - length,
            ended,
        }
    }
}

fn numbers(line: &str) -> Vec<f64> {
    line.split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect()
}

/// Seconds of processor time.
pub struct Spent {
    /// By the server, or whatever is measured.
    pub own: f64,
    /// By PostgreSQL.
    pub database: f64,
    /// By other processes.
    pub others: f64,
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            own: self.own - before.own,
            database: self.database - before.database,
            others: self.others - before.others,
        }
    }
}

/// What one run came to.
pub struct Run {
    count: f64,
    /// Requests a second, from the first request to the last answer.
    rate: f64,
    p50: f64,
    p99: f64,
    /// Microseconds of processor time a request.
    cost: f64,
    /// Of PostgreSQL, the same.
    database_cost: f64,
    /// The number of processors that other processes kept busy.
    others: f64,
}

impl Run {
    /// Computes the figures of a run of some seconds.
    pub fn new(times: &[Times], spent: &Spent, seconds: f64) -> Self {
        let began = times
            .iter()
            .map(|times| times.began)
            .fold(f64::INFINITY, f64::min);
        let ended = times.iter().map(|times| times.ended).fold(0.0, f64::max);
        let mut latencies: Vec<f64> = times
            .iter()
            .map(|times| times.ended - times.began)
            .collect();
        latencies.sort_by(f64::total_cmp);
        let percentile = |percent: usize| latencies[(latencies.len() * percent).div_ceil(100) - 1];
        let count = latencies.len() as f64;
        Self {
            count,
            rate: count / (ended - began) * 1e6,
            p50: percentile(50),
            p99: percentile(99),
            cost: spent.own / count * 1e6,
            database_cost: spent.database / count * 1e6,
            // Ticks are coarse, and what ends is counted late.
            others: (spent.others / seconds).max(0.0),
        }
    }

    /// The run of what has read for itself what it spent.
    pub fn with_own(self, seconds: f64) -> Self {
        Self {
            cost: seconds / self.count * 1e6,
            ..self
        }
    }

    /// The medians of several.
    pub fn median(runs: &[Self]) -> Self {
        let median = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = runs.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        Self {
            count: median(|run| run.count),
            rate: median(|run| run.rate),
            p50: median(|run| run.p50),
            p99: median(|run| run.p99),
            cost: median(|run| run.cost),
            database_cost: median(|run| run.database_cost),
            others: median(|run| run.others),
        }
    }
}

/// A table in Markdown, a row at a time.
pub struct Table(String);

impl Table {
    pub fn new() -> Self {
        Self(String::from(
            "| | connections | requests/s | of bare | p50 ms | p99 ms | CPU µs | PostgreSQL's | of bare | others |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        ))
    }

    /// A row, with the bare handler's run over as many connections.
    pub fn row(&mut self, name: &str, connections: usize, run: &Run, bare: &Run) {
        let Run {
            rate,
            p50,
            p99,
            cost,
            database_cost,
            others,
            ..
        } = run;
        let (of_rate, of_cost) = (
            rate / bare.rate,
            (cost + database_cost) / (bare.cost + bare.database_cost),
        );
        let (p50, p99) = (p50 / 1e3, p99 / 1e3);
        writeln!(
            self.0,
            "| {name} | {connections} | {rate:.0} | {of_rate:.3} | {p50:.2} | {p99:.2} | {cost:.0} | \
             {database_cost:.0} | {of_cost:.1} | {others:.2} |"
        )
        .unwrap();
    }

    pub fn print(&self) {
        println!("{}", self.0);
    }
}
