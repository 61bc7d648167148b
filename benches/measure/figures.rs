//! Figures: of one run, and of all runs of the same thing, as a table.

use std::fmt::Write;

/// When a request was sent and answered, in microseconds since some moment.
#[derive(Clone, Copy)]
pub struct Times {
    pub began: f64,
    pub ended: f64,
}

impl Times {
    /// From a line of h2load's log, which the load writes too: start, status, length.
    pub fn of_h2load(line: &str) -> Self {
        let [began, _, length] = numbers(line)[..] else { panic!("{line}") };
        Self { began, ended: began + length }
    }

    /// From a line of pgbench's log: client, transaction, length, script, and the end in seconds and microseconds.
    pub fn of_pgbench(line: &str) -> Self {
        let [_, _, length, _, seconds, microseconds] = numbers(line)[..] else { panic!("{line}") };
        let ended = seconds * 1e6 + microseconds;
        Self { began: ended - length, ended }
    }
}

fn numbers(line: &str) -> Vec<f64> {
    line.split_whitespace().map(|number| number.parse().unwrap()).collect()
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
    /// How many processors somebody else kept busy.
    others: f64,
}

impl Run {
    /// A run whose subject ran for so many seconds, while others kept so many processors busy.
    pub fn new(times: &[Times], run_time: f64, others: f64) -> Self {
        let began = times.iter().map(|times| times.began).fold(f64::INFINITY, f64::min);
        let ended = times.iter().map(|times| times.ended).fold(0.0, f64::max);
        let mut latencies: Vec<f64> = times.iter().map(|times| times.ended - times.began).collect();
        latencies.sort_by(f64::total_cmp);
        let percentile = |percent: usize| latencies[(latencies.len() * percent).div_ceil(100) - 1];
        let count = latencies.len() as f64;
        Self {
            count,
            rate: count / (ended - began) * 1e6,
            p50: percentile(50),
            p99: percentile(99),
            cost: run_time / count * 1e6,
            others,
        }
    }

    /// The run of a subject that has read for itself how long it ran.
    pub fn with_run_time(self, run_time: f64) -> Self {
        Self { cost: run_time / self.count * 1e6, ..self }
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
            others: median(|run| run.others),
        }
    }
}

/// A table in Markdown, a row at a time.
pub struct Table(String);

impl Table {
    pub fn new(first: &str, second: &str) -> Self {
        Self(format!(
            "| {first} | {second} | requests/s | of bare | p50 ms | p99 ms | CPU µs | of bare | others |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        ))
    }

    /// A row, with the bare handler's run over as many connections.
    pub fn row(&mut self, first: &str, second: &str, run: &Run, bare: &Run) {
        let Run { rate, p50, p99, cost, others, .. } = run;
        let (of_rate, of_cost) = (rate / bare.rate, cost / bare.cost);
        writeln!(
            self.0,
            "| {first} | {second} | {rate:.0} | {of_rate:.2} | {:.2} | {:.2} | {cost:.0} | {of_cost:.1} | {others:.2} |",
            p50 / 1e3,
            p99 / 1e3,
        )
        .unwrap();
    }

    pub fn print(&self) {
        println!("{}", self.0);
    }
}
