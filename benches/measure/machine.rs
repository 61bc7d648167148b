//! The kernel's figures of the machine and of processes. CPU times are in seconds of one processor.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

/// Returns the CPU time of all processors together since the machine started.
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

/// The CPU times of the threads of a process.
#[derive(Default)]
pub struct Threads(HashMap<String, (String, f64)>);

impl Threads {
    /// Adds the threads of a process, to the nanosecond. Threads that have ended are not counted.
    pub fn add(&mut self, process: u32) {
        let folder = format!("/proc/{process}/task");
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if let Some((name, seconds)) = thread(&entry.path()) {
                let id = entry.file_name().to_string_lossy().into_owned();
                // The first thread has the name of the program.
                let is_first = id == process.to_string();
                let name = if is_first { "main".to_owned() } else { name };
                self.0.insert(id, (name, seconds));
            }
        }
    }

    /// Returns the seconds since `before`, by the name of the thread.
    pub fn since(&self, before: &Self) -> BTreeMap<String, f64> {
        let mut by_name = BTreeMap::new();
        for (id, (name, seconds)) in &self.0 {
            let before = before.0.get(id).map_or(0.0, |(_, seconds)| *seconds);
            *by_name.entry(name.clone()).or_default() += seconds - before;
        }
        by_name
    }
}

/// Returns the name of a thread and its CPU time, or `None` if it has ended.
fn thread(folder: &Path) -> Option<(String, f64)> {
    let name = fs::read_to_string(folder.join("comm")).ok()?;
    let stat = fs::read_to_string(folder.join("schedstat")).ok()?;
    let nanoseconds: f64 = stat.split_whitespace().next()?.parse().ok()?;
    Some((name.trim().to_owned(), nanoseconds / 1e9))
}

/// Returns the resident memory of a process in MiB.
pub fn resident(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<f64>().unwrap() / 1_024.0
}

struct Stat {
    parent: u32,
    seconds: f64,
}

fn processes() -> HashMap<u32, Stat> {
    let ids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let id: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        // A process may end meanwhile.
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

/// The unit of `/proc`, whatever the kernel counts in.
const TICKS_PER_SECOND: f64 = 100.0;
