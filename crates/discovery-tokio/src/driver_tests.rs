//! The futures of requests that have ended.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::pin::Pin;

use super::*;

#[tokio::test]
async fn one_poll_sees_the_end_of_all_tasks() {
    // Many more than the 128 that tokio's cooperative budget lets through.
    let mut all: Vec<Pin<Box<dyn Future<Output = ()>>>> =
        (0..1000).map(|_| Box::pin(spawned(async {})) as _).collect();
    // The runtime polls some 60 tasks between two polls of this one.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    poll_fn(|cx| {
        assert!(all.iter_mut().all(|one| one.as_mut().poll(cx).is_ready()));
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn a_dropped_future_aborts_its_task() {
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let future = spawned(async move {
        std::future::pending::<()>().await;
        drop(sender);
    });
    tokio::task::yield_now().await;
    drop(future);
    receiver.await.unwrap_err();
}
