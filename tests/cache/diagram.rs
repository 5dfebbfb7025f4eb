//! The states of a question. Random runs take every transition of these tables and no other, and `ARCHITECTURE.md` shows them
//! as diagrams.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use discovery_core::life::{InMemory, Life, UnderWay};
use discovery_core::{Question, Ticket};
use discovery_sim::Bench;
use discovery_sim::session::{Setup, Step};

const NAMES: [&str; 6] = [
    "a.example",
    "b.example",
    "c.example",
    "fed.example.net:443",
    "gone.example",
    "slow.example:1",
];
/// One of whose families is late.
const SLOW: &str = "dns slow.example A 192.0.2.1\ndns slow.example AAAA 2001:db8::1 after=2500ms\n";

/// Transitions of a query: from, to, and the cause.
const UNDER_WAY: [(UnderWay, UnderWay, &str); 11] = [
    (UnderWay::Idle, UnderWay::Queued, "needed, no slot is free"),
    (UnderWay::Idle, UnderWay::Asked, "needed"),
    (UnderWay::Idle, UnderWay::RunningOn, "needed late, the stale fact is used at once"),
    (UnderWay::Queued, UnderWay::Asked, "a slot becomes free"),
    (UnderWay::Queued, UnderWay::Idle, "no lookup waits for it"),
    (UnderWay::Queued, UnderWay::RunningOn, "a slot comes free late, the stale fact is used"),
    (UnderWay::Asked, UnderWay::Idle, "answered or failed, or no lookup waits for it"),
    (UnderWay::Asked, UnderWay::RunningOn, "lookup went on without it"),
    (UnderWay::Asked, UnderWay::Queued, "forgotten and needed, no slot is free"),
    (UnderWay::RunningOn, UnderWay::Asked, "needed by another lookup"),
    (UnderWay::RunningOn, UnderWay::Idle, "answered, failed, forgotten or timed out"),
];

/// Transitions of a cache entry: from, to, and the cause.
const IN_MEMORY: [(InMemory, InMemory, &str); 17] = [
    (InMemory::Unknown, InMemory::Fresh, "answer"),
    (InMemory::Unknown, InMemory::Failing, "failure, or late"),
    (InMemory::Unknown, InMemory::Expired, "answer with a TTL of 0"),
    (InMemory::Fresh, InMemory::Expired, "TTL over"),
    (InMemory::Fresh, InMemory::Stale, "refresh ahead failed"),
    (InMemory::Fresh, InMemory::Unknown, "forgotten, evicted"),
    (InMemory::Failing, InMemory::Fresh, "answer"),
    (InMemory::Failing, InMemory::Expired, "back-off over"),
    (InMemory::Failing, InMemory::Unknown, "forgotten, evicted"),
    (InMemory::Stale, InMemory::Fresh, "answer, or back-off over before the TTL"),
    (InMemory::Stale, InMemory::Expired, "back-off over, or past max_stale"),
    (InMemory::Stale, InMemory::Failing, "past max_stale"),
    (InMemory::Stale, InMemory::Unknown, "forgotten, evicted"),
    (InMemory::Expired, InMemory::Fresh, "answer"),
    (InMemory::Expired, InMemory::Stale, "failure or late, the stale fact is used"),
    (InMemory::Expired, InMemory::Failing, "failure without a stale fact"),
    (InMemory::Expired, InMemory::Unknown, "forgotten, evicted"),
];

/// Both tables as Mermaid diagrams.
fn diagram() -> String {
    let mut text = String::new();
    draw(&mut text, UnderWay::Idle, &UNDER_WAY);
    text.push('\n');
    draw(&mut text, InMemory::Unknown, &IN_MEMORY);
    text
}

fn draw<S: Copy + Debug>(text: &mut String, first: S, transitions: &[(S, S, &str)]) {
    text.push_str("```mermaid\nstateDiagram-v2\n");
    text.push_str(&format!("    [*] --> {first:?}\n"));
    for (from, to, cause) in transitions {
        text.push_str(&format!("    {from:?} --> {to:?}: {cause}\n"));
    }
    text.push_str("```\n");
}

/// A bench, and the last observed state of each question that was ever asked.
struct Watched {
    bench: Bench,
    stood: BTreeMap<Question, Life>,
    under_way: BTreeMap<(UnderWay, UnderWay), usize>,
    in_memory: BTreeMap<(InMemory, InMemory), usize>,
}

impl Watched {
    fn look(&mut self) {
        let idle = Life { under_way: UnderWay::Idle, in_memory: InMemory::Unknown };
        for question in self.bench.asked() {
            self.stood.entry(question).or_insert(idle);
        }
        for (question, stood) in &mut self.stood {
            let life = self.bench.resolver().life(question);
            if life.under_way != stood.under_way {
                *self.under_way.entry((stood.under_way, life.under_way)).or_default() += 1;
            }
            if life.in_memory != stood.in_memory {
                *self.in_memory.entry((stood.in_memory, life.in_memory)).or_default() += 1;
            }
            *stood = life;
        }
    }

    fn wait(&mut self, time: Duration) {
        let until = self.bench.now() + time;
        while self.bench.tick(until) {
            self.look();
        }
        self.look();
    }

    fn become_setup(&mut self, setup: &Setup) {
        self.bench.become_world(&format!("{SLOW}{}", setup.text()));
    }

    fn ask(&mut self, which: usize) -> Ticket {
        let ticket = self.bench.ask(NAMES[which % NAMES.len()]);
        self.look();
        ticket
    }
}

/// Runs with few slots and a small cache, against servers that change and fail.
fn random_runs() -> Watched {
    let mut seen: Option<Watched> = None;
    for seed in 1..100_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut draw = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % below
        };
        let mut setup = Setup::new(seed % 2 == 0, [draw(9), draw(9)], draw(4));
        let tight = if seed % 3 == 0 { "set cache.max_facts=6\n" } else { "" };
        let limits = format!("set limits.dns_slots=2\nset limits.http_slots=1\n{tight}");
        let mut run = Watched {
            bench: Bench::new(&format!("{limits}{SLOW}{}", setup.text())),
            stood: seen.as_ref().map(|_| BTreeMap::new()).unwrap_or_default(),
            under_way: seen.as_ref().map(|seen| seen.under_way.clone()).unwrap_or_default(),
            in_memory: seen.as_ref().map(|seen| seen.in_memory.clone()).unwrap_or_default(),
        };
        let mut tickets = Vec::new();
        for _ in 0..120 {
            match draw(12) {
                0..=3 => tickets.push(run.ask(draw(6))),
                4 => {
                    if let Some(ticket) = tickets.pop() {
                        run.bench.abandon(ticket);
                        run.look();
                    }
                }
                5 => {
                    run.bench.forget(NAMES[draw(6)]);
                    run.look();
                }
                6 => {
                    let step = match draw(4) {
                        0 => Step::Document(draw(2), draw(9)),
                        1 => Step::Zone(draw(3), draw(9)),
                        2 => Step::Service(draw(4)),
                        _ => Step::Silent(draw(2) == 1),
                    };
                    setup.change(&step);
                    run.become_setup(&setup);
                }
                7 => run.wait(Duration::from_secs([1200, 40_000, 90_000][draw(3)])),
                8 => run.wait(Duration::from_millis([1700, 2500, 12_000, 35_000][draw(4)])),
                _ => run.wait(Duration::from_millis([1, 30, 200, 900][draw(4)])),
            }
        }
        // A slow name server: lookups go on without its answer, forget it meanwhile, and use stale facts.
        for host in 0..3 {
            setup.change(&Step::Silent(false));
            setup.change(&Step::Zone(host, 4));
            run.become_setup(&setup);
            for (which, name) in NAMES.into_iter().enumerate() {
                for forgets in [true, false] {
                    for wait in [10_000_000, 2000, 500_000, 1900] {
                        run.ask(which);
                        run.wait(Duration::from_millis(wait));
                    }
                    if forgets {
                        run.bench.forget(name);
                        run.look();
                        run.ask(which);
                    }
                }
            }
        }
        // Two days in which no server answers and names stay in use.
        if seed % 8 == 1 {
            setup.change(&Step::Silent(true));
            run.become_setup(&setup);
            for round in 0..360 {
                run.ask(round);
                run.wait(Duration::from_secs(500));
            }
        }
        run.bench.settle();
        seen = Some(run);
    }
    pushed_out(seen.unwrap())
}

/// A lookup goes on without a late query, another name evicts the entry that says so, and the query is needed again.
fn pushed_out(seen: Watched) -> Watched {
    let tiny = "set cache.max_facts=1\nset cache.max_results=0\ndns stranger.example A 192.0.2.9\n";
    let mut run = Watched {
        bench: Bench::new(&format!("{tiny}{}", SLOW.replace("2500ms", "8s"))),
        stood: BTreeMap::new(),
        ..seen
    };
    run.ask(5);
    run.wait(Duration::from_millis(2500));
    run.bench.ask("stranger.example:1");
    run.wait(Duration::from_millis(500));
    run.ask(5);
    run.bench.settle();
    run
}

/// Checks that the transitions taken are exactly the transitions drawn.
fn compare<S: Copy + Debug + Ord>(taken: &BTreeMap<(S, S), usize>, drawn: &[(S, S, &str)]) {
    let is_drawn = |way: &(S, S)| drawn.iter().any(|(from, to, _)| (*from, *to) == *way);
    let missing: Vec<_> = taken.iter().filter(|(way, _)| !is_drawn(way)).collect();
    let idle: Vec<_> = drawn.iter().filter(|(a, b, _)| !taken.contains_key(&(*a, *b))).collect();
    assert!(missing.is_empty() && idle.is_empty(), "not drawn: {missing:?}\nnot taken: {idle:?}");
}

#[test]
fn random_runs_take_exactly_the_transitions_of_the_diagram() {
    let seen = random_runs();
    println!("{:?}\n{:?}", seen.under_way, seen.in_memory);
    compare(&seen.under_way, &UNDER_WAY);
    compare(&seen.in_memory, &IN_MEMORY);
}

/// `BLESS=1` writes the diagrams into `ARCHITECTURE.md`.
#[test]
fn architecture_shows_the_states_of_a_question() {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut paths = above.map(|folder| folder.join("ARCHITECTURE.md"));
    let path = paths.find(|path| path.exists()).expect("a file");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) =
        ("<!-- states of a question: begin -->\n", "<!-- states of a question: end -->");
    let (before, rest) = text.split_once(begin).expect("a place for the diagram");
    let (shown, after) = rest.split_once(end).expect("an end of that place");
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, format!("{before}{begin}{}{end}{after}", diagram())).unwrap();
    } else {
        assert_eq!(shown, diagram(), "run with BLESS=1 to update it");
    }
}
