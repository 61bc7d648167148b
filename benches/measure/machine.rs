//! What the kernel knows of the machine and of our processes, in seconds of one processor.

use std::collections::HashMap;
use std::fs;

/// How long the processors have been busy since the machine started, all of them together.
pub fn busy() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let ticks: Vec<f64> = stat
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .skip(1)
        .map(|ticks| ticks.parse().unwrap())
        .collect();
    // Idle and waiting for a disk are not busy; guests are counted in their hosts' time already.
    (ticks[..8].iter().sum::<f64>() - ticks[3] - ticks[4]) / TICKS_PER_SECOND
}

/// Returns the CPU time of a process and its descendants in seconds, including those that have
/// ended and were waited for.
pub fn run_time(process: u32) -> f64 {
    let processes = processes();
    let mut family = vec![process];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(
            processes
                .iter()
                .filter(|(_, stat)| stat.parent == parent)
                .map(|(id, _)| *id),
        );
        next += 1;
    }
    family
        .iter()
        .filter_map(|id| processes.get(id))
        .map(|stat| stat.seconds)
        .sum()
}

struct Stat {
    parent: u32,
    seconds: f64,
}

fn processes() -> HashMap<u32, Stat> {
    let ids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let id: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        // Processes end while they are looked at.
        Some((
            id,
            stat(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?),
        ))
    });
    ids.collect()
}

/// See proc(5): after the name, which may hold anything, the second field is the parent, and the
/// 12th to the 15th are the times in user and kernel mode, of the process and of its children.
fn stat(text: &str) -> Stat {
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = fields[11..15]
        .iter()
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum();
    Stat {
        parent: fields[1].parse().unwrap(),
        seconds: ticks / TICKS_PER_SECOND,
    }
}

/// What Linux shows to programs, whatever it counts in.
const TICKS_PER_SECOND: f64 = 100.0;
