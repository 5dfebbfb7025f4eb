//! No file descriptors are left: a local failure that is not cached and that passes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use discovery_core::{ErrorKind, Step};

use super::{Findings, Wanted, name, start, wrong};
use crate::certificates::Authority;
use crate::kit::adapter::Adapter;
use crate::kit::faulty_server::{CAUGHT, FREE, FaultyServer, policy};
use crate::kit::process::NoDescriptors;
use crate::kit::real_time::{RealTime, guarded};
use crate::kit::setup::Setup;
use crate::lab::{Lab, LabOptions};
use crate::results::RunTrouble;

pub(super) fn check(adapter: &Arc<dyn Adapter>, found: &mut Findings) -> Result<(), RunTrouble> {
    let authority = Arc::new(Authority::new()?);
    one(adapter, &authority, false, found)?;
    one(adapter, &authority, true, found)
}

/// They run out before the first question, or with the first GET.
fn one(
    adapter: &Arc<dyn Adapter>,
    authority: &Arc<Authority>,
    with_the_get: bool,
    found: &mut Findings,
) -> Result<(), RunTrouble> {
    let when = if with_the_get { "with the GET" } else { "with the first question" };
    let time = RealTime::new()?;
    let lab = Lab::start_as(FaultyServer::world(), LabOptions::default(), Arc::clone(authority))?;
    lab.open_all();
    time.block_on(async {
        let none: Arc<Mutex<Option<NoDescriptors>>> = Arc::default();
        let held = Arc::clone(&none);
        let due = AtomicBool::new(with_the_get);
        let mut setup = Setup::for_lab(&lab, time.clock(), Arc::clone(time.probe()));
        setup.policy = policy();
        setup.on_fetch(move |get| {
            if get.url.to_string().contains(CAUGHT) && due.swap(false, Ordering::Relaxed) {
                *held.lock().unwrap_or_else(PoisonError::into_inner) = NoDescriptors::begin().ok();
            }
        });
        let client = start(adapter, setup)?;
        let [free, _] = FREE;
        // What a client opens but once is open then.
        let outcome = guarded(client.resolve(&name(free)?)).await;
        let wanted = Wanted::Leads(Step::DelegatedIpLiteral, "192.0.2.102:8448");
        if let Some(wrong) = wrong(outcome.as_ref(), wanted) {
            found.complain(format!("{free} {wrong}"));
        }
        if !with_the_get {
            *none.lock().unwrap_or_else(PoisonError::into_inner) = Some(NoDescriptors::begin()?);
        }
        let outcome = guarded(client.resolve(&name(CAUGHT)?)).await;
        let began = none.lock().unwrap_or_else(PoisonError::into_inner).take().is_some();
        if !began {
            found.complain(format!("{when}: they never ran out"));
        }
        if let Some(wrong) = wrong(outcome.as_ref(), Wanted::Fails(ErrorKind::Local)) {
            found.complain(format!("{when}: {wrong}"));
        }
        let outcome = guarded(client.resolve(&name(CAUGHT)?)).await;
        let wanted = Wanted::Leads(Step::DelegatedIpLiteral, "192.0.2.101:8448");
        if let Some(wrong) = wrong(outcome.as_ref(), wanted) {
            found.complain(format!("{when}: when they have come back it {wrong}"));
        }
        Ok(())
    })
}
