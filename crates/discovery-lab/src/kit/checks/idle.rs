//! The activity of an idle client, and its resources after it has ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use discovery_core::{ErrorKind, Step};

use super::{Findings, Wanted, name, start, wrong};
use crate::certificates::Authority;
use crate::kit::adapter::Adapter;
use crate::kit::faulty_server::{CAUGHT, FREE, FaultyServer, policy};
use crate::kit::phase::{Fault, Phase};
use crate::kit::process::{holdings, naps};
use crate::kit::real_time::{RealTime, guard, guarded, settled, until};
use crate::kit::setup::Setup;
use crate::lab::{Lab, LabOptions, hurried};
use crate::results::RunTrouble;

/// Clients that come and go before what they leave is counted.
const CLIENTS: usize = 20;
/// How long an idle client is watched: so long the kit works.
const IDLE: Duration = Duration::from_millis(500);
/// How often, where nothing but a thread that woke speaks against it.
const WINDOWS: usize = 3;
/// By how much the patience of the machine is divided.
const HURRY: u32 = 20;
/// Readings of the clock that a client may take for each socket, and besides: starting and answering, for the machine and for
/// its timer. One that looks every millisecond takes far more.
const READINGS: (u64, u64) = (12, 40);

const FOUND: Wanted = Wanted::Leads(Step::DelegatedIpLiteral, "192.0.2.102:8448");

pub(super) fn leaks(adapter: &Arc<dyn Adapter>, found: &mut Findings) -> Result<(), RunTrouble> {
    let lab = Lab::start(FaultyServer::world())?;
    lab.open_all();
    let time = RealTime::new()?;
    time.block_on(async {
        let mut before = None;
        for n in 0..CLIENTS {
            let mut setup = Setup::for_lab(&lab, time.clock(), Arc::clone(time.probe()));
            setup.policy = policy();
            let client = start(adapter, setup)?;
            let [free, _] = FREE;
            let outcome = guarded(client.resolve(&name(free)?)).await;
            if let Some(wrong) = wrong(outcome.as_ref(), FOUND) {
                found.complain(format!("client {n}: {free} {wrong}"));
            }
            drop(client);
            if n == 1 {
                // What a process opens but once is open now.
                before = settled(holdings).await;
            }
        }
        let left = || holdings().zip(before).is_none_or(|(now, before)| now.is_within(&before));
        if until(left).await.is_none() {
            found.complain(format!(
                "{:?} after {CLIENTS} clients there is {:?}, after two there was {before:?}",
                guard(),
                holdings()
            ));
        }
        found.tell(format!("{CLIENTS} clients leave {:?}", holdings()));
        Ok(())
    })
}

pub(super) fn idle(adapter: &Arc<dyn Adapter>, found: &mut Findings) -> Result<(), RunTrouble> {
    let lab = Lab::start(FaultyServer::world())?;
    let time = RealTime::new()?;
    time.block_on(async {
        let mut setup = Setup::for_lab(&lab, time.clock(), Arc::clone(time.probe()));
        setup.policy = policy();
        let client = start(adapter, setup)?;
        let [free, _] = FREE;
        let outcome = guarded(client.resolve(&name(free)?)).await;
        if let Some(wrong) = wrong(outcome.as_ref(), FOUND) {
            found.complain(format!("{free} {wrong}"));
        }
        let seen = || (time.probe().readings(), time.probe().polls());
        for window in 1..=WINDOWS {
            let before = settled(seen).await;
            let awake = settled(naps).await;
            let began = Instant::now();
            // The kit itself never sleeps meanwhile, so whoever does has been awake.
            while began.elapsed() < IDLE {
                drop(Authority::new()?);
            }
            let naps = naps().zip(awake).map(|(now, before)| now.saturating_sub(before));
            // Its runtime may be this thread's: it runs now, if it ever wants to.
            tokio::task::yield_now().await;
            let after = seen();
            let readings = after.0.saturating_sub(before.0);
            let polls = after.1.saturating_sub(before.1);
            let told = format!(
                "within {IDLE:?} without work the clock is read {readings} times, the driver polled {polls} times, and threads \
                 wake {naps:?} times"
            );
            let stirs = (readings, polls) != (0, 0);
            if !stirs && naps.is_none_or(|naps| naps == 0) {
                found.tell(told);
                break;
            }
            // A machine under load wakes a thread now and then, but makes no client look at the clock.
            if stirs || window == WINDOWS {
                found.complain(told);
                break;
            }
        }
        drop(client);
        Ok(())
    })
}

pub(super) fn deadlines(
    adapter: &Arc<dyn Adapter>,
    found: &mut Findings,
) -> Result<(), RunTrouble> {
    let lab =
        Lab::start_as(FaultyServer::world(), LabOptions::default(), Arc::new(Authority::new()?))?;
    let time = RealTime::new()?;
    let faulty = FaultyServer::set(Phase::DnsDatagram, Fault::Stall, &lab, time.servers())?;
    time.block_on(async {
        let setup = Setup::for_lab(&lab, time.clock(), Arc::clone(time.probe()));
        let mut setup = faulty.bait(setup, &lab);
        setup.policy = hurried(setup.policy, HURRY);
        let patience = setup.policy.dns.timeout;
        let client = start(adapter, setup)?;
        faulty.arm();
        let began = Instant::now();
        let outcome = guarded(client.resolve(&name(CAUGHT)?)).await;
        let took = began.elapsed();
        let wanted = Wanted::Fails(ErrorKind::DnsFailure);
        if let Some(wrong) = wrong(outcome.as_ref(), wanted) {
            found.complain(format!("a silent name server: {CAUGHT} {wrong}"));
        }
        if took < patience {
            found.complain(format!("it gives up after {took:?}, before {patience:?} are over"));
        }
        let (readings, openings) = (time.probe().readings(), time.probe().openings());
        let (each, besides) = READINGS;
        if readings > each.saturating_mul(openings).saturating_add(besides) {
            found.complain(format!(
                "it reads the clock {readings} times for {openings} sockets within {took:?}"
            ));
        }
        let polls = time.probe().polls();
        found.tell(format!(
            "{openings} sockets, {readings} readings of the clock and {polls} polls within {took:.1?}"
        ));
        Ok(())
    })
}
