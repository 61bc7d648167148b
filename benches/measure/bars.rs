//! The bars: each figure next to the one before the work and the one to reach.

/// A limit of a figure.
#[derive(Clone, Copy)]
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

/// Figures with their bars, in the order in which they were added.
#[derive(Default)]
pub struct Bars(Vec<Row>);

struct Row {
    name: String,
    before: &'static str,
    bar: Bar,
    figure: f64,
}

impl Bars {
    /// Adds a figure. `before` is the one of the commit before the work.
    pub fn add(&mut self, name: &str, before: &'static str, bar: Bar, figure: f64) {
        self.0.push(Row {
            name: name.to_owned(),
            before,
            bar,
            figure,
        });
    }

    /// Prints all figures with their bars, and whether each is met.
    pub fn print(&self) {
        println!("## Bars\n");
        println!("| | before | bar | now | met |");
        println!("|---|---:|---:|---:|---|");
        for row in &self.0 {
            let (limit, met) = match row.bar {
                Bar::AtLeast(limit) => (format!("≥ {limit}"), row.figure >= limit),
                Bar::AtMost(limit) => (format!("≤ {limit}"), row.figure <= limit),
            };
            let met = if met { "yes" } else { "**no**" };
            let figure = if row.figure < 10.0 {
                format!("{:.3}", row.figure)
            } else {
                format!("{:.1}", row.figure)
            };
            println!(
                "| {} | {} | {limit} | {figure} | {met} |",
                row.name, row.before
            );
        }
        println!();
    }
}
