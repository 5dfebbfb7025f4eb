//! Resolves the names on its command line with an event loop of mio on one thread: `cargo run -p discovery-driver
//! --features native-roots,ring,system --example mio -- matrix.org`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example of a driver: it opens the sockets and reads the clocks"
)]

mod looping;

use std::error::Error;
use std::thread;

use discovery_driver::Builder;

fn main() -> Result<(), Box<dyn Error>> {
    let (discovery, looping) = looping::build(Builder::with_system_roots()?)?;
    // The loop runs on the main thread; a thread for each name waits for its result.
    let waiting: Vec<_> = std::env::args()
        .skip(1)
        .map(|name| {
            let discovery = discovery.clone();
            thread::spawn(move || match discovery.resolve(&name).wait() {
                Ok(found) => {
                    println!("{name}: {:?}", found.socket_addrs().collect::<Vec<_>>());
                }
                Err(failed) => println!("{name}: {failed}"),
            })
        })
        .collect();
    // The loop ends with the last handle.
    drop(discovery);
    looping.run()?;
    waiting.into_iter().for_each(|thread| drop(thread.join()));
    Ok(())
}
