//! A bounded pool of threads that carry out requests, and a way to stop each request.
//!
//! The pool bounds threads and queue, ends idle threads, and confines a panic to its request. The standard library offers
//! no such pool; threads without one would have neither a bound nor a quick start.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use discovery_core::RequestId;
use discovery_driver::RequestTask;

use crate::socket;

/// How long a thread stays idle before it ends.
const IDLE: Duration = Duration::from_secs(5);

/// The stack of a thread: enough for a request, in debug builds as well.
const STACK: usize = 512 * 1024;

pub(crate) struct Pool {
    shared: Arc<Shared>,
    finished: Arc<Finished>,
    /// Most threads at once.
    limit: usize,
    /// How long a connection may take to come up.
    patience: Duration,
}

/// Requests that have their answers, on their way to the driver's thread.
///
/// The thread that hands an answer to the resolver allocates the facts that the cache keeps. If each pool thread did so, an
/// allocator with one heap per thread would spread the cache over hundreds of nearly empty heaps.
pub(crate) struct Finished {
    tasks: Mutex<Vec<RequestTask>>,
    driver: Thread,
}

impl Finished {
    /// On their way to the current thread.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { tasks: Mutex::default(), driver: thread::current() })
    }

    /// All that have come so far.
    pub(crate) fn take(&self) -> Vec<RequestTask> {
        std::mem::take(&mut self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, task: RequestTask) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        self.driver.unpark();
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something is queued, or this has ended.
    queued: Condvar,
    /// A thread has ended.
    left: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(RequestTask, Arc<Stop>)>,
    /// Of all tasks that are queued or run.
    stops: BTreeMap<RequestId, Arc<Stop>>,
    threads: usize,
    idle: usize,
    ended: bool,
}

/// Stops one task.
#[derive(Default)]
pub(crate) struct Stop(Mutex<Held>);

#[derive(Default)]
struct Held {
    stopped: bool,
    stream: Option<Arc<TcpStream>>,
}

impl Pool {
    pub(crate) fn new(limit: usize, patience: Duration, finished: Arc<Finished>) -> Self {
        Self { shared: Arc::default(), finished, limit: limit.max(1), patience }
    }

    /// Hands a task to a thread, to a new one if none is idle. Without one it is dropped: a failure of our own side.
    pub(crate) fn start(&self, task: RequestTask) {
        let mut state = self.shared.lock();
        let more = state.queue.len() >= state.idle && state.threads < self.limit;
        if more {
            let (shared, finished) = (Arc::clone(&self.shared), Arc::clone(&self.finished));
            let patience = self.patience;
            let thread = thread::Builder::new().name("discovery-io".to_owned()).stack_size(STACK);
            match thread.spawn(move || shared.work(patience, &finished)) {
                Ok(_) => state.threads = state.threads.saturating_add(1),
                Err(_) if state.threads == 0 => {
                    // Dropping the task answers it, and that may start another one.
                    drop(state);
                    return drop(task);
                }
                // One of the others will have it.
                Err(_) => {}
            }
        }
        let stop = Arc::new(Stop::default());
        state.stops.insert(task.id(), Arc::clone(&stop));
        state.queue.push_back((task, stop));
        self.shared.queued.notify_one();
    }

    /// Stops a task; one that has ended is none.
    pub(crate) fn stop(&self, id: RequestId) {
        let mut state = self.shared.lock();
        let stop = state.stops.remove(&id);
        let index = state.queue.iter().position(|(task, _)| task.id() == id);
        let task = index.and_then(|index| state.queue.remove(index));
        drop(state);
        drop(task);
        if let Some(stop) = stop {
            stop.stop();
        }
    }

    /// Stops all tasks, and lets all threads go.
    pub(crate) fn end(&self) {
        let mut state = self.shared.lock();
        state.ended = true;
        let (queue, stops) = (std::mem::take(&mut state.queue), std::mem::take(&mut state.stops));
        self.shared.queued.notify_all();
        drop(state);
        drop(queue);
        stops.values().for_each(|stop| stop.stop());
    }

    /// Waits until all threads are gone.
    pub(crate) fn wait(&self) {
        let mut state = self.shared.lock();
        while state.threads > 0 {
            state = self.shared.left.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one thread does.
    fn work(&self, patience: Duration, finished: &Finished) {
        while let Some((task, stop)) = self.next() {
            let id = task.id();
            // A task that panics is dropped, which answers it.
            let run = catch_unwind(AssertUnwindSafe(|| socket::run(task, &stop, patience)));
            stop.hold(None);
            self.lock().stops.remove(&id);
            if let Ok(Some(task)) = run {
                finished.put(task);
            }
        }
    }

    /// The next task; None where this thread is to end.
    fn next(&self) -> Option<(RequestTask, Arc<Stop>)> {
        let mut state = self.lock();
        state.idle = state.idle.saturating_add(1);
        let wait = self
            .queued
            .wait_timeout_while(state, IDLE, |state| state.queue.is_empty() && !state.ended);
        (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        state.idle = state.idle.saturating_sub(1);
        let next = state.queue.pop_front();
        if next.is_none() {
            state.threads = state.threads.saturating_sub(1);
            self.left.notify_all();
        }
        next
    }
}

impl Stop {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Shuts this down when the task is stopped, which wakes the thread that reads from it.
    pub(crate) fn hold(&self, stream: Option<Arc<TcpStream>>) {
        self.lock().stream = stream;
    }

    fn stop(&self) {
        let mut held = self.lock();
        held.stopped = true;
        if let Some(stream) = held.stream.take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
