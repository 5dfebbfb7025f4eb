//! The requests of a client as web servers see them.

use std::sync::Arc;
use std::time::Duration;

use discovery_sim::Scenario;

use super::{Findings, name, start};
use crate::kit::adapter::Adapter;
use crate::kit::faulty_server::policy;
use crate::kit::real_time::{RealTime, guarded};
use crate::kit::setup::Setup;
use crate::lab::Lab;
use crate::results::RunTrouble;

/// A document, and one behind redirects to another port and to an address.
const WORLD: &str = r#"
dns plain.example A 192.0.2.1
https plain.example 200 {"m.server":"192.0.2.101"}
dns moved.example A 192.0.2.2
https moved.example 307 "location: https://there.example:8443/document?of=moved"
dns there.example A 192.0.2.3
https there.example:8443/document?of=moved 308 "location: https://192.0.2.4/document"
https 192.0.2.4/document 200 {"m.server":"192.0.2.102"}
"#;

/// Server name indication, `Host`, target.
const WANTED: [(&str, &str, &str); 4] = [
    ("-", "192.0.2.4", "/document"),
    ("moved.example", "moved.example", "/.well-known/matrix/server"),
    ("plain.example", "plain.example", "/.well-known/matrix/server"),
    ("there.example", "there.example:8443", "/document?of=moved"),
];

pub(super) fn check(adapter: &Arc<dyn Adapter>, found: &mut Findings) -> Result<(), RunTrouble> {
    let scenario = Scenario::parse(WORLD).map_err(std::io::Error::other)?;
    let lab = Lab::start(scenario.world_at(Duration::ZERO))?;
    let time = RealTime::new()?;
    time.block_on(async {
        let mut setup = Setup::for_lab(&lab, time.clock(), Arc::clone(time.probe()));
        setup.policy = policy();
        let client = start(adapter, setup)?;
        // Letters are the client's own, and mean nothing.
        for text in ["PLAIN.example", "moved.example"] {
            match guarded(client.resolve(&name(text)?)).await.as_ref() {
                Some(Ok(_)) => {}
                Some(Err(failed)) => found.complain(format!("{text} fails: {failed}")),
                None => found.complain(format!("{text}: no outcome ever comes")),
            }
        }
        let mut seen = lab.take_seen();
        seen.sort();
        let seen: Vec<(&str, &str, &str)> = seen
            .iter()
            .map(|seen| (seen.sni.as_deref().unwrap_or("-"), &*seen.host, &*seen.target))
            .collect();
        if seen != WANTED {
            found.complain(format!("(SNI, `Host`, target) are {seen:?}, and should be {WANTED:?}"));
        }
        found.tell(format!("{} requests", seen.len()));
        Ok(())
    })
}
