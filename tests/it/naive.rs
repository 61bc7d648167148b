//! The rules of the domain against a second, naive implementation of them, in worlds of chance; and what must hold in all
//! of them, whatever the rules are.
//!
//! Ten thousand worlds with every run of the tests; `COUNTERSIGN_TEST_CASES=1000000` says how many,
//! and `COUNTERSIGN_TEST_SEED` with which one to begin. A difference is reported with its world and
//! its seed.

mod chance;
mod properties;
mod real;
mod rules;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use chance::{Chance, Step};
use real::Real;
use world::{Command, World};

#[test]
fn the_domain_and_the_naive_rules_never_differ() {
    let number = |name, default| env::var(name).map_or(default, |number| number.parse().unwrap());
    let (first, cases) = (
        number("COUNTERSIGN_TEST_SEED", 0),
        number("COUNTERSIGN_TEST_CASES", 10_000),
    );
    for seed in first..first + cases {
        let mut case = Case::new(seed);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case.run())) {
            println!(
                "COUNTERSIGN_TEST_SEED={seed} COUNTERSIGN_TEST_CASES=1\n{}",
                case.story.join("\n")
            );
            resume_unwind(panic);
        }
    }
    println!("{cases} worlds");
}

/// One world, what both rules made of it, and the story of it.
struct Case {
    chance: Chance,
    world: World,
    real: Real,
    story: Vec<String>,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let world = chance.world();
        let real = Real::of(&world);
        let story = vec![world.to_string()];
        Self {
            chance,
            world,
            real,
            story,
        }
    }

    fn run(&mut self) {
        for _ in 0..4 + self.chance.below(20) {
            let step = self.chance.step(&self.world);
            self.story.push(format!("{step:?}"));
            self.take(step);
        }
        properties::explained(self);
        properties::short(self);
        properties::replayed(&self.real);
    }

    fn take(&mut self, step: Step) {
        let world = &mut self.world;
        match step {
            Step::Administrator(who) => toggle(&mut world.administrators, who),
            Step::Asks(who, ask) => self.ask(who, &ask),
            Step::Member(group, who) => toggle(world.groups.get_mut(group).unwrap(), who),
            Step::Passes(until) => world.now = until,
            Step::Turns(number) => {
                let naive = rules::pass(world, number);
                self.happened(naive, self.real.pass(&self.world, number), None);
            }
            Step::Stranger(who) => toggle(&mut world.strangers, who),
            Step::Vanishes => (world.role, self.real.role) = (None, None),
        }
    }

    fn ask(&mut self, who: world::Name, ask: &Command) {
        let naive = rules::answer(&self.world, who, ask);
        let real = self.real.answer(&self.world, who, ask);
        properties::less_authority(self, who, ask, &real);
        match (naive, real) {
            (Ok(naive), Ok(real)) => self.happened(naive, real, Some(ask)),
            (naive, real) => {
                let real = real.map_err(real::plain_refusal);
                assert_eq!(naive.map(|_| "happened"), real.map(|_| "happened"));
            }
        }
    }

    /// Both record the events, which must be the same and lead to the same state.
    fn happened(
        &mut self,
        naive: Vec<world::Event>,
        real: Vec<countersign::domain::event::Event>,
        ask: Option<&Command>,
    ) {
        let plain = real
            .iter()
            .map(|event| self.real.plain_event(&self.world, event, ask));
        assert_eq!(naive, plain.collect::<Vec<_>>());
        let filing = match ask {
            Some(Command::File { filing, .. }) => Some(filing),
            _ => None,
        };
        let before = self.real.elevations.clone();
        for (naive, real) in naive.iter().zip(&real) {
            rules::happen(&mut self.world, naive, ask);
            self.real.happen(real, filing);
        }
        properties::lived(&self.world, &self.real, &before);
        for (number, naive) in self.world.elevations.iter().enumerate() {
            assert_eq!(*naive, self.real.plain_elevation(&self.world, number));
        }
    }
}

fn toggle(names: &mut std::collections::BTreeSet<world::Name>, name: world::Name) {
    if !names.remove(name) {
        names.insert(name);
    }
}
