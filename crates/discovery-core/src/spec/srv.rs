//! The order of SRV targets (RFC 2782).
//!
//! Knows nothing of their addresses.
//!
//! Weights are drawn from 1 to their sum, unless records of weight 0 exist, which share the draw 0. The draw from 0 in
//! RFC 2782 would favour the first of several equal records.

use crate::io::SrvRecord;
use crate::util::Draw;

/// The draws for one result: the lookup's chooses what is asked for, the ticket's what is handed out.
#[derive(Clone, Debug)]
pub(crate) struct Draws {
    pub(crate) lookup: Draw,
    pub(crate) ticket: Option<Draw>,
}

impl Draws {
    /// The services to use, at most `limit`, in the order to contact them.
    pub(crate) fn order<'a>(&self, services: &[&'a SrvRecord], limit: usize) -> Vec<&'a SrvRecord> {
        let chosen = order(services, limit, &mut self.lookup.clone());
        match &self.ticket {
            Some(ticket) => order(&chosen, limit, &mut ticket.clone()),
            None => chosen,
        }
    }
}

/// Puts services into the order to contact them: by priority, and within one priority by a weighted draw (R84–R86). Gives the
/// first `limit` of them. The order received makes no difference.
pub(crate) fn order<'a>(
    services: &[&'a SrvRecord],
    limit: usize,
    draw: &mut Draw,
) -> Vec<&'a SrvRecord> {
    let mut left = services.to_vec();
    left.sort_unstable();
    left.dedup();
    let mut ordered = Vec::with_capacity(left.len().min(limit));
    while let Some(first) = left.first().filter(|_| ordered.len() < limit) {
        let peers = left.iter().take_while(|service| service.priority == first.priority).count();
        let chosen = choose(left.get(..peers).unwrap_or_default(), draw);
        ordered.push(left.remove(chosen));
    }
    ordered
}

/// Draws one of the services, by weight; they come sorted, weight 0 first.
fn choose(peers: &[&SrvRecord], draw: &mut Draw) -> usize {
    let sum: u64 = peers.iter().map(|service| u64::from(service.weight)).sum();
    let zeros = peers.iter().take_while(|service| service.weight == 0).count();
    // R86: beside weights, those without share the one draw that is 0. R85: without them it would only favour the first of the
    // others, so it is left out.
    let drawn = draw.between(u64::from(zeros == 0), sum);
    if drawn == 0 {
        let last = u64::try_from(zeros.saturating_sub(1)).unwrap_or(0);
        return usize::try_from(draw.between(0, last)).unwrap_or(0);
    }
    let mut running = 0_u64;
    peers
        .iter()
        .position(|service| {
            running = running.saturating_add(u64::from(service.weight));
            running >= drawn
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
