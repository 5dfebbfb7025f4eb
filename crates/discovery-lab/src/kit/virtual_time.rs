//! Virtual time for servers and clients alike: a clock that jumps to the next timer whenever nothing moves any more.
//!
//! The servers run on a runtime whose clock is paused. A client's clock is the same; where its timers are not, it is poked at its
//! deadlines. Knows nothing of what is asked.

use std::io;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant as StdInstant};

use tokio::runtime::{self, Runtime};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::adapter::{Client, Timers};
use super::probe::Probe;

/// So near a deadline may be that a timer for it rings while the clock stands still.
const NEAR: Duration = Duration::from_millis(10);

/// One run's time.
pub(super) struct VirtualTime {
    runtime: Runtime,
    probe: Arc<Probe>,
    alarm: Arc<OnceLock<Alarm>>,
}

/// The client's next deadline.
struct Alarm {
    client: Weak<dyn Client>,
    set: watch::Sender<Option<StdInstant>>,
}

impl VirtualTime {
    /// Time that jumps only after nobody has done anything for `grace`: so long the system gets to carry bytes.
    pub(super) fn new(grace: Duration) -> io::Result<Self> {
        let probe = Arc::new(Probe::new());
        let alarm: Arc<OnceLock<Alarm>> = Arc::default();
        let (watched, told) = (Arc::clone(&probe), Arc::clone(&alarm));
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            // Called when nothing is left to do: the clock jumps only if still nothing has arrived after it.
            .on_thread_park(move || {
                watched.settle(grace, || told.get().is_some_and(Alarm::is_near));
                if let Some(alarm) = told.get() {
                    alarm.tell();
                }
            })
            .build()?;
        Ok(Self { runtime, probe, alarm })
    }

    /// Runs this, by this time.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// This clock, to be read from any thread.
    pub(super) fn clock(&self) -> impl Fn() -> StdInstant + Send + Sync + 'static + use<> {
        let handle = self.runtime.handle().clone();
        move || {
            let _inside = handle.enter();
            Instant::now().into_std()
        }
    }

    /// What is seen of the client.
    pub(super) fn probe(&self) -> &Arc<Probe> {
        &self.probe
    }

    /// Keeps a client's deadlines for it, where it can't by itself. Within [`block_on`](Self::block_on).
    pub(super) fn keep(&self, timers: Timers, client: &Arc<dyn Client>) {
        if timers == Timers::Tokio {
            return;
        }
        let (set, mut deadline) = watch::channel(None);
        let client = Arc::downgrade(client);
        let keeper = Weak::clone(&client);
        let _ = self.alarm.set(Alarm { client, set });
        tokio::spawn(async move {
            loop {
                let at: Option<StdInstant> = *deadline.borrow_and_update();
                let told = match at {
                    Some(at) => timeout_at(Instant::from_std(at), deadline.changed()).await,
                    None => Ok(deadline.changed().await),
                };
                match told {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => {
                        let Some(client) = keeper.upgrade() else { return };
                        client.poke();
                        drop(client);
                        // It sets another deadline, or has not done what was due.
                        if deadline.changed().await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
    }
}

impl Alarm {
    fn is_near(&self) -> bool {
        let deadline = self.client.upgrade().and_then(|client| client.deadline());
        deadline.is_some_and(|at| at < Instant::now().into_std() + NEAR)
    }

    fn tell(&self) {
        let Some(client) = self.client.upgrade() else { return };
        let deadline = client.deadline();
        self.set.send_if_modified(|known| {
            let news = *known != deadline;
            *known = deadline;
            news
        });
    }
}
