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
        revision: Default::default(),
        note: None,
    }
}

fn runtime() -> Runtime {
    runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn names(names: &[&str]) -> Names {
    let (sender, receiver) = channel(8);
    for name in names {
        sender.try_send(Ok(vec![(*name).to_owned().into()])).unwrap();
    }
    receiver.into()
}

/// Answers `a`, `b`, `c` in the order c, b, a, and says in which order they were written.
fn written(order: Order, jobs: usize) -> Vec<String> {
    let names = names(&["a", "b", "c"]);
    // Each waits for the one after it, if that can run at the same time.
    let mut before: Option<oneshot::Sender<()>> = None;
    let look_up = |Given { text: name, .. }: Given| {
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
    };
    let mut written = Vec::new();
    let write = |answers: &[Answered]| {
        written.extend(answers.iter().map(|answered| answered.name.clone()));
        Ok(())
    };
    let answering =
        async |answers| answer_all(names, jobs, order, look_up, answers, Stop::default()).await;
    assert_eq!(written_by(write, &runtime(), answering).unwrap(), Status::No);
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
    let look_up = |name: Given| async move { answered(name.text) };
    let write = |_: &[Answered]| Err(io::ErrorKind::BrokenPipe.into());
    let names = names(&["a"]);
    let answering =
        async |answers| answer_all(names, 1, Order::Done, look_up, answers, Stop::default()).await;
    let ended = written_by(write, &runtime(), answering);
    assert!(matches!(ended, Err(Trouble::BrokenPipe(Status::No))), "{ended:?}");
}

#[test]
fn who_does_not_read_keeps_no_lookup_waiting() {
    let (done, is_done) = std::sync::mpsc::channel();
    let look_up = |Given { text: name, .. }: Given| {
        done.send(name.clone()).unwrap();
        async move { answered(name) }
    };
    let (told, ended) = std::sync::mpsc::channel();
    // Whoever gets the first answer reads on only when the last lookup has been made.
    let write = move |_: &[Answered]| {
        while is_done.recv_timeout(Duration::from_secs(60)).unwrap() != "c" {}
        told.send(()).unwrap();
        Err(io::ErrorKind::BrokenPipe.into())
    };
    let names = names(&["a", "b", "c"]);
    let answering =
        async |answers| answer_all(names, 1, Order::Done, look_up, answers, Stop::default()).await;
    let _ = written_by(write, &runtime(), answering);
    assert_eq!(ended.try_iter().count(), 1);
}

/// Answers a name that begins with `slow` after this long, others at once, in a time that passes by itself. Which names are answered
/// within how long?
fn answered_within(names: &[String], jobs: usize, within: Duration) -> Vec<String> {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let (sender, receiver) = channel(names.len());
    for name in names {
        sender.try_send(Ok(vec![name.clone().into()])).unwrap();
    }
    drop(sender);
    let look_up = |Given { text: name, .. }: Given| async move {
        if name.starts_with("slow") {
            sleep(Duration::from_secs(10)).await;
        }
        answered(name)
    };
    let (answers, mut sent) = channel(names.len());
    runtime.unwrap().block_on(async {
        let begun = tokio::time::Instant::now();
        let all = answer_all(receiver.into(), jobs, Order::Done, look_up, answers, Stop::default());
        let mut all = pin!(all);
        let mut timer = pin!(sleep(within));
        let mut ended = false;
        poll_fn(|context| {
            ended = ended || all.as_mut().poll(context).is_ready();
            timer.as_mut().poll(context)
        })
        .await;
        assert_eq!(begun.elapsed(), within);
    });
    std::iter::from_fn(|| sent.try_recv().ok()).map(|answered| answered.name).collect()
}

#[test]
fn slow_names_do_not_hold_up_the_ones_behind_them() {
    let slow = |n: usize| (0..n).map(|n| format!("slow{n}"));
    let names: Vec<String> = slow(60).chain(["a".to_owned(), "b".to_owned()]).collect();
    assert_eq!(answered_within(&names, 16, Duration::from_secs(1)), ["a", "b"]);
    // Not without a bound: sixteen times the jobs.
    let names: Vec<String> = slow(16).chain(["a".to_owned()]).collect();
    assert_eq!(answered_within(&names, 1, Duration::from_secs(9)), [""; 0]);
    assert_eq!(answered_within(&names[1..], 1, Duration::from_secs(9)), ["a"]);
    assert_eq!(answered_within(&names, 1, Duration::from_secs(14)).len(), 17);
    assert_eq!((most_lookups(16), most_lookups(1000), most_lookups(5000)), (256, 2048, 5000));
}
