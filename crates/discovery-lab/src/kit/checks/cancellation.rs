//! Abandoned lookups and stopped clients in every phase: sockets are closed, and every caller gets an outcome.

use std::sync::Arc;

use discovery_core::{ErrorKind, Policy, Step};

use super::{Findings, Wanted, name, start, wrong};
use crate::certificates::Authority;
use crate::kit::adapter::{Adapter, Client, Stops};
use crate::kit::faulty_server::{CAUGHT, FREE, FaultyServer};
use crate::kit::phase::{Fault, Phase};
use crate::kit::process::{holdings, sockets};
use crate::kit::real_time::{RealTime, guard, guarded, settled, until};
use crate::kit::setup::Setup;
use crate::lab::{Lab, LabOptions, hurried};
use crate::results::RunTrouble;

/// By how much the patience of the machine is divided where a client can only wait for it.
const HURRY: u32 = 10;
/// And by how much multiplied where it must not: what is closed within the guard is then closed because it was stopped.
const CALM: u32 = 100;

/// One client in a phase, in real time.
struct Scene {
    time: RealTime,
    lab: Lab,
    faulty: FaultyServer,
}

impl Scene {
    fn set(authority: &Arc<Authority>, phase: Phase) -> Result<Self, RunTrouble> {
        let time = RealTime::new()?;
        let lab =
            Lab::start_as(FaultyServer::world(), LabOptions::default(), Arc::clone(authority))?;
        lab.open_all();
        let faulty = FaultyServer::set(phase, Fault::Stall, &lab, time.servers())?;
        Ok(Self { time, lab, faulty })
    }

    fn start(&self, adapter: &Arc<dyn Adapter>) -> Result<Arc<dyn Client>, RunTrouble> {
        let setup = Setup::for_lab(&self.lab, self.time.clock(), Arc::clone(self.time.probe()));
        let mut setup = self.faulty.bait(setup, &self.lab);
        setup.policy = match adapter.stops() {
            Stops::AtOnce => patient(setup.policy, CALM),
            Stops::ByItsDeadline => hurried(setup.policy, HURRY),
        };
        start(adapter, setup)
    }
}

fn patient(mut policy: Policy, times: u32) -> Policy {
    policy.dns.retry_interval *= times;
    policy.dns.timeout *= times;
    policy.well_known.response_wait *= times;
    policy.well_known.timeout *= times;
    policy.limits.lookup_deadline *= times;
    policy
}

pub(super) fn cancellation(
    adapter: &Arc<dyn Adapter>,
    found: &mut Findings,
) -> Result<(), RunTrouble> {
    let authority = Arc::new(Authority::new()?);
    for phase in Phase::ALL {
        if !found.complaints.is_empty() {
            // What is wrong in one phase is so in the next, and each is waited for.
            break;
        }
        let scene = Scene::set(&authority, phase)?;
        scene.time.block_on(async {
            let client = scene.start(adapter)?;
            let [free, late] = FREE;
            // What a client opens but once is open then.
            if let Some(wrong) = look_up(&client, free, "192.0.2.102:8448").await? {
                found.complain(format!("{phase}: {free} {wrong}"));
            }
            let before = settled(sockets).await;
            scene.faulty.arm();
            let lookup = client.resolve(&name(CAUGHT)?);
            if guarded(scene.faulty.reached()).await.is_none()
                || until(|| sockets().is_none() || sockets() > before).await.is_none()
            {
                found.complain(format!("{phase}: the client never came so far"));
            }
            drop(lookup);
            closed(found, phase, before).await;
            scene.faulty.lift();
            if let Some(wrong) = look_up(&client, late, "192.0.2.103:8448").await? {
                found.complain(format!("{phase}: afterwards {late} {wrong}"));
            }
            Ok::<(), RunTrouble>(())
        })?;
    }
    Ok(())
}

pub(super) fn shutdown(adapter: &Arc<dyn Adapter>, found: &mut Findings) -> Result<(), RunTrouble> {
    let authority = Arc::new(Authority::new()?);
    for phase in Phase::ALL {
        if !found.complaints.is_empty() {
            // What is wrong in one phase is so in the next, and each is waited for.
            break;
        }
        let scene = Scene::set(&authority, phase)?;
        scene.time.block_on(async {
            // What a process opens but once is open then.
            let first = scene.start(adapter)?;
            let [free, _] = FREE;
            if let Some(wrong) = look_up(&first, free, "192.0.2.102:8448").await? {
                found.complain(format!("{phase}: {free} {wrong}"));
            }
            drop(first);
            let before = settled(holdings).await;
            let open = sockets();
            let client = scene.start(adapter)?;
            scene.faulty.arm();
            let lookup = client.resolve(&name(CAUGHT)?);
            if guarded(scene.faulty.reached()).await.is_none() {
                found.complain(format!("{phase}: the client never came so far"));
            }
            drop(client);
            let outcome = guarded(lookup).await;
            let wanted = Wanted::Fails(ErrorKind::Local);
            if let Some(wrong) = wrong(outcome.as_ref(), wanted) {
                found.complain(format!("{phase}: who waits is told nothing: {CAUGHT} {wrong}"));
            }
            closed(found, phase, open).await;
            let left = || holdings().zip(before).is_none_or(|(now, before)| now.is_within(&before));
            if until(left).await.is_none() {
                found.complain(format!(
                    "{phase}: {:?} later there is {:?}, where there was {before:?} before",
                    guard(),
                    holdings()
                ));
            }
            Ok::<(), RunTrouble>(())
        })?;
    }
    Ok(())
}

async fn look_up(
    client: &Arc<dyn Client>,
    text: &str,
    place: &'static str,
) -> Result<Option<String>, RunTrouble> {
    let outcome = guarded(client.resolve(&name(text)?)).await;
    Ok(wrong(outcome.as_ref(), Wanted::Leads(Step::DelegatedIpLiteral, place)))
}

/// Sees to it that sockets are closed, and says after how long.
async fn closed(found: &mut Findings, phase: Phase, before: Option<usize>) {
    match until(|| sockets() <= before).await {
        Some(after) => {
            let milliseconds = after.as_secs_f64() * 1000.0;
            found.tell(format!("{phase}: closed after {milliseconds:.1} ms"));
        }
        None => found.complain(format!(
            "{phase}: {:?} later {:?} sockets are open, {before:?} before",
            guard(),
            sockets()
        )),
    }
}
