//! The figures of one run and their medians over all rounds, as tables.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The moments of a request and of its answer, in microseconds since the start of a log.
#[derive(Clone, Copy)]
pub struct Times {
    pub began: f64,
    pub ended: f64,
}

impl Times {
    /// Reads a line of h2load's log, which the load writes too: start, status, length.
    pub fn of_h2load(line: &str) -> Self {
        let [began, _, length] = numbers(line)[..] else {
            panic!("{line}")
        };
        Self {
            began,
            ended: began + length,
        }
    }

    /// Reads a line of pgbench's log: client, transaction, length, script, and the end in seconds and microseconds.
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

/// Seconds of CPU time during a run.
pub struct Spent {
    /// Of the measured processes, by thread.
    pub threads: BTreeMap<String, f64>,
    /// Of PostgreSQL, or of the service to which a proxy forwards.
    pub backend: f64,
    /// Of other processes.
    pub others: f64,
}

/// The figures of one run.
#[derive(Clone)]
pub struct Run {
    count: f64,
    /// Requests a second, from the first request to the last answer.
    pub rate: f64,
    /// Microseconds.
    pub p50: f64,
    /// Microseconds.
    pub p99: f64,
    /// Microseconds of CPU time a request.
    pub cost: f64,
    /// The same, by thread.
    pub threads: BTreeMap<String, f64>,
    /// Microseconds of CPU time a request, of PostgreSQL or of the service to which a proxy forwards.
    pub backend_cost: f64,
    /// Number of processors that other processes kept busy.
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
        let per_request = |seconds: &f64| seconds / count * 1e6;
        Self {
            count,
            rate: count / (ended - began) * 1e6,
            p50: percentile(50),
            p99: percentile(99),
            // The sum of nothing is minus zero.
            cost: spent.threads.values().map(per_request).sum::<f64>() + 0.0,
            threads: spent
                .threads
                .iter()
                .map(|(name, seconds)| (name.clone(), per_request(seconds)))
                .collect(),
            backend_cost: per_request(&spent.backend),
            // Ticks are coarse, and a process that ends is counted late.
            others: (spent.others / seconds).max(0.0),
        }
    }

    /// Returns the run with the CPU time that the measured process has read by itself.
    pub fn with_own(self, seconds: f64) -> Self {
        Self {
            cost: seconds / self.count * 1e6,
            ..self
        }
    }

    /// Returns the medians of several runs.
    pub fn median(runs: &[Self]) -> Self {
        let median = |figure: fn(&Self) -> f64| median(runs.iter().map(figure).collect());
        let names = runs.iter().flat_map(|run| run.threads.keys());
        let thread = |name: &String| {
            let times = runs.iter().map(|run| run.threads.get(name).copied());
            (
                name.clone(),
                self::median(times.map(Option::unwrap_or_default).collect()),
            )
        };
        Self {
            count: median(|run| run.count),
            rate: median(|run| run.rate),
            p50: median(|run| run.p50),
            p99: median(|run| run.p99),
            cost: median(|run| run.cost),
            threads: names.map(thread).collect(),
            backend_cost: median(|run| run.backend_cost),
            others: median(|run| run.others),
        }
    }

    /// Returns the CPU time of a request in microseconds, including PostgreSQL's.
    pub fn whole_cost(&self) -> f64 {
        self.cost + self.backend_cost
    }
}

/// Returns the median of figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A table in Markdown, one row for each subject and number of connections.
pub struct Table(String);

impl Table {
    pub fn new() -> Self {
        Self(String::from(
            "| | connections | requests/s | of bare | p50 ms | p99 ms | CPU µs | PostgreSQL's | CPU of bare | others |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        ))
    }

    /// Adds a row. `bare` is the run that it is compared with, over as many connections.
    pub fn row(&mut self, name: &str, connections: usize, run: &Run, bare: &Run) {
        let Run {
            rate,
            p50,
            p99,
            cost,
            backend_cost,
            others,
            ..
        } = run;
        let of_rate = rate / bare.rate;
        let of_cost = run.whole_cost() / bare.whole_cost();
        let (p50, p99) = (p50 / 1e3, p99 / 1e3);
        writeln!(
            self.0,
            "| {name} | {connections} | {rate:.0} | {of_rate:.3} | {p50:.2} | {p99:.2} | {cost:.0} | \
             {backend_cost:.0} | {of_cost:.1} | {others:.2} |"
        )
        .unwrap();
    }

    pub fn print(&self) {
        println!("{}", self.0);
    }
}

/// Prints the CPU time of a request by thread, one column for each run.
pub fn print_threads(runs: &[(&str, &Run)]) {
    let mut rows: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (column, (_, run)) in runs.iter().enumerate() {
        for (thread, cost) in &run.threads {
            rows.entry(thread).or_insert_with(|| vec![0.0; runs.len()])[column] = *cost;
        }
    }
    let heads: Vec<&str> = runs.iter().map(|(name, _)| *name).collect();
    println!("| CPU µs by thread | {} |", heads.join(" | "));
    println!("|---|{}", "---:|".repeat(runs.len()));
    for (thread, costs) in rows {
        if costs.iter().all(|cost| *cost < 0.05) {
            continue;
        }
        let costs: Vec<String> = costs.iter().map(|cost| format!("{cost:.1}")).collect();
        println!("| `{thread}` | {} |", costs.join(" | "));
    }
    let all: Vec<String> = runs
        .iter()
        .map(|(_, run)| format!("{:.1}", run.cost))
        .collect();
    println!("| all | {} |\n", all.join(" | "));
}
