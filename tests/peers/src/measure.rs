//! Runs every library under every load, with servers and client in processes of their own.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::load::Load;
use crate::peer::Peer;
use crate::table::{self, Figures, Row};

/// Measures the loads of these names, or all, and prints the table.
pub fn run(words: &[&str]) -> Result<(), Box<dyn Error>> {
    let loads: Result<Vec<Load>, _> = words.iter().map(|word| word.parse()).collect();
    let loads = if words.is_empty() { Load::ALL.to_vec() } else { loads? };
    let authority = std::env::temp_dir().join(format!("peers-{}.pem", std::process::id()));
    let mut rows: Vec<Row> = Vec::new();
    for load in loads {
        let peers = Peer::all(load);
        // Runs are interleaved, so that other load affects all alike.
        let mut runs = vec![Vec::new(); peers.len()];
        for run in 1..=load.runs() {
            for (peer, runs) in peers.iter().zip(&mut runs) {
                eprintln!("{}, {}, run {run} of {}", load.word(), peer.word(), load.runs());
                runs.push(measure(*peer, load, &authority)?);
            }
        }
        for (phase, title) in load.phases().iter().enumerate() {
            let mut row = Vec::new();
            for (peer, runs) in peers.iter().zip(&runs) {
                let of_phase = runs.iter().filter_map(|run| run.get(phase).cloned()).collect();
                row.push((*peer, Figures::summary(of_phase).ok_or("a phase was never run")?));
            }
            rows.push((title, row));
        }
    }
    std::fs::remove_file(&authority)?;
    println!("{}\n", machine()?);
    print!("{}", table::markdown(&rows));
    let mut ours = rows.iter().filter_map(|(_, peers)| peers.first());
    if ours.any(|(_, figures)| figures.wrong > 0) {
        return Err("this project's own answers are wrong".into());
    }
    Ok(())
}

/// The date and the machine.
fn machine() -> Result<String, Box<dyn Error>> {
    let date = String::from_utf8(Command::new("date").args(["-u", "+%F"]).output()?.stdout)?;
    let text = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    let model =
        model.map_or("a processor without name", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism()?;
    Ok(format!("{}, {model}, {cores} cores, {} Linux", date.trim(), std::env::consts::ARCH))
}

/// One run of all phases of a load.
fn measure(peer: Peer, load: Load, authority: &Path) -> Result<Vec<Figures>, Box<dyn Error>> {
    let mut server = Role::start(&["server", load.word()], authority)?;
    server.hear()?;
    let mut client = Role::start(&["client", peer.word(), load.word()], authority)?;
    let mut phases = Vec::new();
    for _ in load.phases() {
        let said = client.hear()?;
        server.say()?;
        let counted = server.hear()?;
        client.say()?;
        let &[lookups, cpu, peak, wrong, failed] = said.as_slice() else {
            return Err("the client says something else than expected".into());
        };
        let &[queries, gets, overflows] = counted.as_slice() else {
            return Err("the server says something else than expected".into());
        };
        if overflows > 0 {
            eprintln!("the system lost {overflows} datagrams for want of room");
        }
        phases.push(Figures { lookups, cpu, peak, queries, gets, wrong, failed });
    }
    client.end()?;
    server.end()?;
    Ok(phases)
}

/// This program in another role, controlled by lines of text.
struct Role {
    process: Child,
    ears: ChildStdin,
    mouth: BufReader<ChildStdout>,
}

impl Role {
    fn start(words: &[&str], authority: &Path) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(words)
            .arg(authority)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ears = process.stdin.take().ok_or("no pipe")?;
        let mouth = BufReader::new(process.stdout.take().ok_or("no pipe")?);
        Ok(Self { process, ears, mouth })
    }

    fn say(&mut self) -> Result<(), Box<dyn Error>> {
        Ok(self.ears.write_all(b"\n")?)
    }

    /// The numbers of the next line.
    fn hear(&mut self) -> Result<Vec<u64>, Box<dyn Error>> {
        let mut line = String::new();
        if self.mouth.read_line(&mut line)? == 0 {
            return Err("a process of this measurement has ended early".into());
        }
        Ok(line.split_whitespace().filter_map(|word| word.parse().ok()).collect())
    }

    /// Closes its input, and waits until it has ended.
    fn end(self) -> Result<(), Box<dyn Error>> {
        let Self { mut process, ears, mouth } = self;
        drop((ears, mouth));
        process.wait()?;
        Ok(())
    }
}
