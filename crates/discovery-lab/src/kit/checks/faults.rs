//! Resets, stalls, half-closed connections and garbage in every phase, in virtual time: each leads to its error, and the client works
//! afterwards.

use std::sync::Arc;
use std::time::Duration;

use discovery_core::{ErrorKind, Step};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::{Findings, Wanted, name, start, wrong};
use crate::certificates::Authority;
use crate::kit::adapter::Adapter;
use crate::kit::faulty_server::{CAUGHT, FREE, FaultyServer};
use crate::kit::phase::{Fault, Phase};
use crate::kit::runner::GRACE;
use crate::kit::setup::Setup;
use crate::kit::virtual_time::VirtualTime;
use crate::lab::{Lab, LabOptions};
use crate::results::RunTrouble;

/// No lookup takes so long.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) fn check(adapter: &Arc<dyn Adapter>, found: &mut Findings) -> Result<(), RunTrouble> {
    let authority = Arc::new(Authority::new()?);
    let mut cases: usize = 0;
    for phase in Phase::ALL {
        for fault in phase.faults() {
            cases = cases.saturating_add(1);
            let mut complaints = Vec::new();
            for grace in GRACE {
                complaints = one(adapter, &authority, phase, *fault, grace)?;
                if complaints.is_empty() {
                    break;
                }
            }
            for complaint in complaints {
                found.complain(format!("{phase}, {fault}: {complaint}"));
            }
        }
    }
    found.tell(format!("{cases} faults"));
    Ok(())
}

fn one(
    adapter: &Arc<dyn Adapter>,
    authority: &Arc<Authority>,
    phase: Phase,
    fault: Fault,
    grace: Duration,
) -> Result<Vec<String>, RunTrouble> {
    let time = VirtualTime::new(grace)?;
    time.block_on(async {
        let lab =
            Lab::start_here(FaultyServer::world(), LabOptions::default(), Arc::clone(authority))?;
        let faulty = FaultyServer::set(phase, fault, &lab, &Handle::current())?;
        let setup = Setup::for_lab(&lab, time.clock(), Arc::clone(time.probe()));
        let client = start(adapter, faulty.bait(setup, &lab))?;
        time.keep(adapter.timers(), &client);
        faulty.arm();
        let caught = timeout(PATIENCE, client.resolve(&name(CAUGHT)?)).await.ok();
        let wanted = match (phase, fault) {
            // A closed port is told of at once; whoever doesn't hear it waits, and blames the other side.
            (Phase::DnsDatagram, Fault::Reset) => Wanted::Fails(ErrorKind::Local),
            _ if phase.is_dns() => Wanted::Fails(ErrorKind::DnsFailure),
            _ => Wanted::Leads(Step::Default, "192.0.2.1:8448"),
        };
        let mut complaints: Vec<String> = wrong(caught.as_ref(), wanted).into_iter().collect();
        if !faulty.was_reached() {
            complaints.push("the client never came so far".to_owned());
        }
        faulty.lift();
        let [free, _] = FREE;
        let later = timeout(PATIENCE, client.resolve(&name(free)?)).await.ok();
        let wanted = Wanted::Leads(Step::DelegatedIpLiteral, "192.0.2.102:8448");
        let later = wrong(later.as_ref(), wanted);
        complaints.extend(later.map(|wrong| format!("afterwards another name {wrong}")));
        Ok(complaints)
    })
}
