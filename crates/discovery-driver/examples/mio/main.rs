//! Resolves the names on its command line by an event loop of mio, one thread for all:
//! `cargo run -p discovery-driver --example mio -- matrix.org`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example of a driver: it opens the sockets and reads the clocks"
)]

mod looping;

use std::error::Error;
use std::sync::Arc;
use std::thread;

use discovery_core::ServerName;
use discovery_driver::Setup;
use rustls::{ClientConfig, RootCertStore};

fn main() -> Result<(), Box<dyn Error>> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();

    let (handle, looping) = looping::start(Setup::new(Arc::new(tls)))?;
    // Whoever waits for an outcome is woken by a `Waker`; here each prints it on its own thread, and the loop has the main one.
    let asking: Vec<_> = names
        .into_iter()
        .map(|text| {
            let handle = handle.clone();
            thread::spawn(move || match text.parse::<ServerName>() {
                Ok(name) => match &wait(handle.resolve(&name)) {
                    Ok(found) => {
                        println!("{text}: {:?}", found.socket_addrs().collect::<Vec<_>>());
                    }
                    Err(failed) => println!("{text}: {failed}"),
                },
                Err(error) => println!("{text}: {error}"),
            })
        })
        .collect();
    // The loop ends with the last handle.
    drop(handle);
    looping.run()?;
    asking.into_iter().for_each(|thread| drop(thread.join()));
    Ok(())
}

/// Polls a future on this thread.
fn wait<F: Future + Unpin>(mut future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut cx = std::task::Context::from_waker(&waker);
    loop {
        match std::pin::Pin::new(&mut future).poll(&mut cx) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => thread::park(),
        }
    }
}
