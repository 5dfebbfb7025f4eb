//! A thousand lookups at once.

use std::net::Ipv4Addr;
use std::sync::Arc;

use discovery_core::Question;
use tokio::task::JoinSet;

use super::{Findings, name, start};
use crate::kit::adapter::Adapter;
use crate::kit::faulty_server::policy;
use crate::kit::process::many_descriptors;
use crate::kit::real_time::{RealTime, guarded};
use crate::kit::setup::Setup;
use crate::load_set::{LedBy, LoadSet};
use crate::results::RunTrouble;

/// How many.
const NAMES: usize = 1000;

pub(super) fn check(adapter: &Arc<dyn Adapter>, found: &mut Findings) -> Result<(), RunTrouble> {
    many_descriptors();
    let address = Ipv4Addr::new(198, 51, 100, 1);
    let load = LoadSet { led_by: LedBy::Document, names: NAMES, address };
    let lab = load.serve(None)?;
    let time = RealTime::new()?;
    time.block_on(async {
        let mut setup = Setup::for_lab(&lab, time.clock(), Arc::clone(time.probe()));
        setup.policy = policy();
        // All of them wait for one processor or two, which is not what is tried.
        setup.policy.well_known.timeout *= 6;
        setup.policy.limits.lookup_deadline *= 6;
        setup.policy.dns.timeout *= 6;
        let client = start(adapter, setup)?;
        let mut lookups = JoinSet::new();
        for (n, text) in load.names().enumerate() {
            let lookup = client.resolve(&name(&text)?);
            lookups.spawn(async move { (n, lookup.await) });
        }
        let mut right: usize = 0;
        let mut examples = Vec::new();
        while let Some(Some(joined)) = guarded(lookups.join_next()).await {
            let Ok((n, outcome)) = joined else { continue };
            let host = format!("m{n}.{}:443", crate::LOAD_DOMAIN);
            match outcome.as_ref() {
                Ok(resolved)
                    if resolved.host_header_str() == host
                        && resolved.socket_addrs().eq([(address, 443).into()]) =>
                {
                    right = right.saturating_add(1);
                }
                Ok(resolved) => examples.push(format!("n{n} leads by {:?}", resolved.step)),
                Err(failed) => examples.push(format!("n{n} fails: {failed}")),
            }
        }
        if right != NAMES {
            let example = examples.first().map_or("the rest never ends", String::as_str);
            found.complain(format!("{right} of {NAMES} are right: {example}"));
        }
        let asked = lab.take_asked();
        let gets = asked.iter().filter(|question| matches!(question, Question::Get(_))).count();
        if gets != NAMES {
            found.complain(format!("{gets} documents are fetched for {NAMES} names"));
        }
        let queries = asked.len().saturating_sub(gets);
        found.tell(format!("{right} right, {queries} queries, {gets} GETs"));
        Ok(())
    })
}
