//! Tests of many names at once: the order of answers, and when it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use discovery_core::{Instant, InvalidServerName};
use tokio::sync::mpsc::channel;
use tokio::sync::oneshot;

use super::*;
use crate::output::End;

fn answered(name: String) -> Answered {
    Answered {
        name,
        end: End::NotAName(InvalidServerName::Port),
        took: Duration::ZERO,
        at: Instant::ORIGIN,
        note: None,
    }
}

/// Answers `a`, `b`, `c` in the order c, b, a, and says in which order they were written.
fn written(order: Order, jobs: usize) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (sender, names) = channel(8);
    for name in ["a", "b", "c"] {
        sender.try_send(name.to_owned()).unwrap();
    }
    drop(sender);
    // Each waits for the one after it, if that can run at the same time.
    let mut before: Option<oneshot::Sender<()>> = None;
    let mut written = Vec::new();
    let status = runtime.block_on(answer_all(
        names,
        jobs,
        order,
        |name| {
            let tell = before.take();
            let (sender, wait) = oneshot::channel();
            let wait = (jobs > 1 && name != "c").then_some(wait);
            before = Some(sender);
            async move {
                if let Some(wait) = wait {
                    wait.await.unwrap();
                }
                if let Some(tell) = tell {
                    let _ = tell.send(());
                }
                answered(name)
            }
        },
        |answered| {
            written.push(answered.name.clone());
            Ok(())
        },
    ));
    assert_eq!(status.unwrap(), Status::No);
    written
}

#[test]
fn answers_go_out_as_the_names_were_given() {
    assert_eq!(written(Order::Given, 3), ["a", "b", "c"]);
}

#[test]
fn answers_go_out_as_they_are_done() {
    assert_eq!(written(Order::Done, 3), ["c", "b", "a"]);
}

#[test]
fn one_job_answers_one_after_the_other() {
    assert_eq!(written(Order::Done, 1), ["a", "b", "c"]);
}

#[test]
fn a_broken_pipe_ends_with_what_was_known() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (sender, names) = channel(8);
    sender.try_send("a".to_owned()).unwrap();
    let ended = runtime.block_on(answer_all(
        names,
        1,
        Order::Done,
        |name| async move { answered(name) },
        |_| Err(io::ErrorKind::BrokenPipe.into()),
    ));
    assert!(matches!(ended, Err(Trouble::BrokenPipe(Status::No))), "{ended:?}");
}
