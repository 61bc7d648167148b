//! The rounds: all subjects in turns, forwards and backwards.

use super::figures::{Run, Table};

/// A number of connections, and the number of requests over them.
pub type Point = (usize, usize);

/// The size of a measurement.
#[derive(Clone, Copy)]
pub struct Extent {
    pub rounds: usize,
    /// Over 1, 16 and 64 connections.
    pub points: [Point; 3],
    /// Number of approvals that are pending at all times.
    pub pending: usize,
    /// Numbers of ended elevations.
    pub ended: [usize; 2],
    /// Number of pending elevations over which approvals are spread.
    pub spread: usize,
    /// Number of elevations for the bytes per decided elevation.
    pub decided: usize,
    /// Number of starts.
    pub starts: usize,
}

impl Extent {
    pub const QUICK: Self = Self {
        rounds: 1,
        points: [(1, 40), (16, 160), (64, 640)],
        pending: 100,
        ended: [1_000, 3_000],
        spread: 2_000,
        decided: 1_000,
        starts: 1,
    };
    pub const WHOLE: Self = Self {
        rounds: 5,
        points: [(1, 1_000), (16, 4_800), (64, 12_800)],
        pending: 10_000,
        ended: [1_000_000, 10_000_000],
        spread: 1_000_000,
        decided: 20_000,
        starts: 5,
    };

    /// Returns the number of approvals that all rounds over the most connections take, with those that warm up.
    pub fn approved(&self) -> usize {
        let (_, requests) = self.many();
        self.rounds * requests + requests / 4
    }

    /// Returns the point with the most connections.
    pub fn many(&self) -> Point {
        self.points[2]
    }
}

/// Something to measure.
pub struct Subject<'a> {
    name: String,
    /// The subject that it is compared with.
    bare: &'a str,
    points: Vec<Point>,
    /// Measures it at one point.
    run: Box<dyn Fn(Point) -> Run + 'a>,
}

impl<'a> Subject<'a> {
    pub fn new(
        name: &str,
        bare: &'a str,
        points: &[Point],
        run: impl Fn(Point) -> Run + 'a,
    ) -> Self {
        Self {
            name: name.to_owned(),
            bare,
            points: points.to_owned(),
            run: Box::new(run),
        }
    }
}

/// The medians of all subjects at all points.
pub struct Medians(Vec<Median>);

struct Median {
    name: String,
    bare: String,
    connections: usize,
    run: Run,
}

impl Medians {
    /// Measures all subjects in turns: first once to warm up, then in rounds, every other one backwards.
    pub fn measure(extent: Extent, subjects: &[Subject<'_>]) -> Self {
        let places: Vec<(&Subject<'_>, Point)> = subjects
            .iter()
            .flat_map(|subject| subject.points.iter().map(move |point| (subject, *point)))
            .collect();
        let mut runs: Vec<Vec<Run>> = places.iter().map(|_| Vec::new()).collect();
        for (subject, (connections, requests)) in &places {
            (subject.run)((*connections, requests / 4));
        }
        for round in 1..=extent.rounds {
            eprintln!("round {round} of {}", extent.rounds);
            let mut order: Vec<usize> = (0..places.len()).collect();
            if round % 2 == 0 {
                order.reverse();
            }
            for place in order {
                let (subject, point) = places[place];
                runs[place].push((subject.run)(point));
            }
        }
        let medians = places.iter().zip(&runs);
        Self(
            medians
                .map(|((subject, (connections, _)), runs)| Median {
                    name: subject.name.clone(),
                    bare: subject.bare.to_owned(),
                    connections: *connections,
                    run: Run::median(runs),
                })
                .collect(),
        )
    }

    /// Returns the run of a subject, or `None` if it was not measured.
    pub fn get(&self, name: &str, connections: usize) -> Option<&Run> {
        self.0
            .iter()
            .find(|median| median.name == name && median.connections == connections)
            .map(|median| &median.run)
    }

    /// Prints a row for each subject and number of connections.
    pub fn print(&self, title: &str) {
        println!("## {title}\n");
        let mut table = Table::new();
        for median in &self.0 {
            let bare = self.get(&median.bare, median.connections).unwrap();
            table.row(&median.name, median.connections, &median.run, bare);
        }
        table.print();
    }
}
