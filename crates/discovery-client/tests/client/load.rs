//! Many requests to many faulty servers at the same time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use discovery_client::ClientErrorKind;

use super::*;

const SERVERS: usize = 50;
const TASKS: usize = 64;
const PER_ROUTE: usize = 4;

/// Requests to each server: few by default; the client's documentation speaks of 2,000.
fn requests() -> usize {
    std::env::var("CLIENT_REQUESTS").map_or(60, |count| count.parse().unwrap())
}

/// Where the documents of all servers lead. The first address refuses connections, and so does the first SRV target.
fn world(moved: bool) -> String {
    let mut world = String::new();
    for n in 0..SERVERS {
        let last = if moved && n == 0 { 200 } else { n };
        world += &format!(
            "https s{n}.example 404\n\
             dns _matrix-fed._tcp.s{n}.example SRV 10 5 8448 dead.example\n\
             dns _matrix-fed._tcp.s{n}.example SRV 20 5 8448 t{n}.example\n\
             dns t{n}.example A 192.0.3.{n}\ndns t{n}.example A 192.0.2.{last}\n"
        );
    }
    world + "dns dead.example A 192.0.4.1\n"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_response_comes_from_the_right_server_and_no_request_is_sent_twice() {
    let net = Net::new(&world(false));
    let mut sites = Vec::new();
    for n in 0..SERVERS {
        let address = format!("192.0.2.{n}:8448");
        sites.push(net.site(&address, &format!("s{n}.example"), Act::Faulty).await);
    }
    let moved = net.site("192.0.2.200:8448", "s0.example", Act::Faulty).await;
    let client = net.builder().max_requests_per_route(PER_ROUTE).build();
    let total = SERVERS * requests();
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let (client, next) = (client.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let (mut failed, mut answered) = (0_usize, 0_usize);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return (answered, failed);
                }
                let server = format!("s{}.example", number % SERVERS);
                let path = format!("/{number}");
                // What was not written may be sent again.
                let sent = loop {
                    match client.get(&name(&server), &path).await {
                        Err(error) if error.is_retryable() => {}
                        sent => break sent,
                    }
                };
                match sent {
                    Ok(response) => {
                        answered += 1;
                        let text = text(response).await;
                        let words: Vec<_> = text.split(' ').collect();
                        assert_eq!((words[0], words[2], words[3]), (&*server, &*server, &*path));
                    }
                    Err(error) => {
                        failed += 1;
                        assert_eq!(error.kind(), ClientErrorKind::Http, "{error}");
                    }
                }
            }
        });
    }
    // Halfway, one server moves.
    while next.load(Ordering::Relaxed) < total / 2 {
        tokio::task::yield_now().await;
    }
    net.lab.set_world(Scenario::parse(&world(true)).unwrap().world_at(Duration::ZERO));
    net.discovery.forget(&name("s0.example"));
    let ended = tasks.join_all().await;
    let answered: usize = ended.iter().map(|(answered, _)| answered).sum();
    let failed: usize = ended.iter().map(|(_, failed)| failed).sum();
    assert_eq!(answered + failed, total);
    assert!(failed > 0 && failed * 10 < total, "{failed} of {total}: servers close connections");
    assert!(moved.requests() > 0);

    drop(client);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for site in sites.iter().chain([&moved]) {
        site.all_closed().await;
        assert!(site.seen.most_open.load(Ordering::Relaxed) <= PER_ROUTE);
        for path in site.seen.paths.lock().unwrap().iter() {
            *seen.entry(path.clone()).or_default() += 1;
        }
    }
    assert_eq!(seen.values().max(), Some(&1), "a request was sent twice");
    assert!(seen.len() >= answered);
}
