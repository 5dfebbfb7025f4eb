//! `cache`: what a file of facts tells of names, and forgetting some of it.
//!
//! Asks nobody anything. Knows nothing of how the file is written.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::time::SystemTime;

use discovery_core::{
    CacheEntry, Config, DefaultAction, Export, Instant, Policy, Question, Resolver, ServerName,
    Standing, UnixMillis,
};

use crate::memory;
use crate::options::CacheOptions;
use crate::output::{printable, table};
use crate::status::{Status, Trouble, say};

/// Shows a file, or forgets names in it.
pub(crate) fn run(options: &CacheOptions) -> Result<Status, Trouble> {
    let path = &options.file;
    let export = memory::read(path)?;
    let mut resolver = knowing(export.clone());
    if options.forget.is_empty() {
        let mut rows = resolver.entries(Instant::ORIGIN);
        rows.retain(|row| matches(row, options));
        show(&rows, options)
    } else {
        forget(&mut resolver, export, options)
    }
}

/// A resolver that knows what the file tells, all of it, whatever its addresses.
fn knowing(export: Export) -> Resolver {
    let mut policy = Policy::default();
    policy.addresses.otherwise = DefaultAction::Any;
    policy.cache.max_facts = usize::MAX;
    policy.cache.max_bytes = usize::MAX;
    let mut resolver = Resolver::new(Config::new(policy), Instant::ORIGIN);
    let wall = UnixMillis::from_system_time(SystemTime::now());
    let _ = resolver.import(export, Instant::ORIGIN, wall);
    resolver
}

fn matches(row: &CacheEntry, options: &CacheOptions) -> bool {
    let name = row.name.as_str().to_ascii_lowercase();
    let host = row.name.host_str().to_ascii_lowercase();
    let below = |domain: &str| {
        let domain = domain.trim_start_matches('.').to_ascii_lowercase();
        host == domain || host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'))
    };
    options.name.as_ref().is_none_or(|text| name.contains(&text.to_ascii_lowercase()))
        && options.below.as_deref().is_none_or(below)
        && options.step.as_ref().is_none_or(|step| row.step.is_some_and(|own| own.number() == step))
        && (!options.failing || row.failure.is_some() || row.last_failure.is_some())
        && (!options.expired || row.standing == Standing::Expired)
}

fn show(rows: &[CacheEntry], options: &CacheOptions) -> Result<Status, Trouble> {
    let status = if rows.is_empty() { Status::No } else { Status::Resolved };
    let mut out = BufWriter::new(io::stdout().lock());
    let written = if options.json {
        rows.iter().try_for_each(|row| table::json(row, &mut out))
    } else {
        table::text(rows, &mut out)
    };
    written.and_then(|()| out.flush()).map_err(|error| Trouble::write(&error, status))?;
    if rows.is_empty() {
        say("no matching names");
    }
    Ok(status)
}

fn forget(
    resolver: &mut Resolver,
    mut export: Export,
    options: &CacheOptions,
) -> Result<Status, Trouble> {
    let mut status = Status::Resolved;
    let known = |resolver: &Resolver| -> BTreeSet<Question> {
        resolver.facts().map(|entry| entry.question.clone()).collect()
    };
    let parse = |name: &String| {
        let parsed = name.parse::<ServerName>();
        parsed.map_err(|why| Trouble::Usage(format!("--forget {}: {why}", printable(name))))
    };
    let names = options.forget.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let before = known(resolver);
    let mut counts = Vec::with_capacity(names.len());
    for name in &names {
        let kept = resolver.counters().facts;
        resolver.forget(name, Instant::ORIGIN);
        counts.push(kept.saturating_sub(resolver.counters().facts));
    }
    let left = known(resolver);
    if left.len() < before.len() {
        export.retain(|question| left.contains(question) || !before.contains(question));
        memory::write(&options.file, &export)?;
    }
    // Said once it is done.
    for (name, count) in options.forget.iter().zip(counts) {
        match count {
            0 => {
                status = Status::No;
                say(&format!("{}: nothing is known of it.", printable(name)));
            }
            1 => say(&format!("{name}: 1 fact forgotten.")),
            count => say(&format!("{name}: {count} facts forgotten.")),
        }
    }
    Ok(status)
}
