//! What the driver keeps of tasks that have ended.
#![allow(clippy::unwrap_used, reason = "tests")]

use rustls::RootCertStore;

use super::*;

#[tokio::test]
async fn one_poll_forgets_all_tasks_that_have_ended() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let (_discovery, mut driver) =
        Discovery::builder(Arc::new(tls)).probe_routes(false).build().unwrap();
    // Many more than the 128 that tokio's cooperative budget lets through.
    for _ in 0..1000 {
        driver.tasks.spawn(std::future::pending()).abort();
    }
    // The runtime polls some 60 tasks between two polls of this one.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    poll_fn(|cx| {
        assert!(Pin::new(&mut driver).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    assert_eq!(driver.tasks.len(), 0);
}
