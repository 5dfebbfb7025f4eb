//! The scenario's wall clock and the real one: dates in headers are moved, for the driver's clock can't be.

use std::time::{Duration, SystemTime};

use discovery_core::UnixTime;
use discovery_sim::{Scenario, Served, World};
use http::HeaderValue;
use http::header::{DATE, EXPIRES};

/// The scenario's world at that time, its dates as if the scenario's clock were the real one.
pub(super) fn world(scenario: &Scenario, at: Duration) -> World {
    let mut world = scenario.world_at(at);
    let Some(start) = scenario.clock() else { return world };
    let scripted = start.0.saturating_add(at.as_secs());
    let real = UnixTime::from_system_time(SystemTime::now()).0;
    let mut moved = Vec::new();
    for (url, address, page) in world.pages() {
        let mut page = page.clone();
        let Served::Response { headers, .. } = &mut page.answer else { continue };
        let mut dated = false;
        for (name, value) in headers {
            if (*name == DATE || *name == EXPIRES)
                && let Some(date) = shift(value, scripted, real)
            {
                (*value, dated) = (date, true);
            }
        }
        if dated {
            moved.push((url.clone(), address, page));
        }
    }
    for (url, address, page) in moved {
        world.set_page(url, address, page);
    }
    world
}

/// A date as far from `to` as it was from `from`; None: it is no date, and stays what it is.
fn shift(value: &HeaderValue, from: u64, to: u64) -> Option<HeaderValue> {
    let date = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    let moved = if to >= from {
        date.checked_add(Duration::from_secs(to.checked_sub(from)?))
    } else {
        date.checked_sub(Duration::from_secs(from.checked_sub(to)?))
    };
    // Dates before 1970 can't be written, and are as good as 1970.
    let moved = moved?.max(SystemTime::UNIX_EPOCH);
    HeaderValue::from_str(&httpdate::fmt_http_date(moved)).ok()
}
