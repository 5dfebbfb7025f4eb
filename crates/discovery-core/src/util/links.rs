//! Doubly linked lists over numbered places, oldest first. The links are kept apart from the entries at those places.

/// No place.
const NONE: u32 = u32::MAX;

/// The maximum number of slots.
pub(crate) const MAX_PLACES: usize = 0xFFFF_FFFE;

/// The links of all lists: a place is in one list at most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links(Vec<Link>);

#[derive(Clone, Copy, Debug)]
struct Link {
    older: u32,
    newer: u32,
}

/// One list, ordered by last use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    oldest: u32,
    newest: u32,
    len: usize,
}

impl Default for List {
    fn default() -> Self {
        Self { oldest: NONE, newest: NONE, len: 0 }
    }
}

impl Links {
    /// One place more, in no list.
    pub(crate) fn grow(&mut self) {
        reserve(&mut self.0);
        self.0.push(Link { older: NONE, newer: NONE });
    }

    /// Its memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<Link>())
    }

    /// The next one of the same list.
    pub(crate) fn newer(&self, place: u32) -> Option<u32> {
        self.0.get(index(place)).map(|link| link.newer).filter(|newer| *newer != NONE)
    }

    /// The one before it in the same list.
    pub(crate) fn older(&self, place: u32) -> Option<u32> {
        self.0.get(index(place)).map(|link| link.older).filter(|older| *older != NONE)
    }

    fn set_older(&mut self, place: u32, older: u32) {
        if let Some(link) = self.0.get_mut(index(place)) {
            link.older = older;
        }
    }

    fn set_newer(&mut self, place: u32, newer: u32) {
        if let Some(link) = self.0.get_mut(index(place)) {
            link.newer = newer;
        }
    }
}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    pub(crate) fn newest(&self) -> Option<u32> {
        (self.newest != NONE).then_some(self.newest)
    }

    /// Appends a slot that is in no list, as the most recently used.
    pub(crate) fn push(&mut self, place: u32, links: &mut Links) {
        if let Some(link) = links.0.get_mut(index(place)) {
            (link.older, link.newer) = (self.newest, NONE);
        }
        match self.newest {
            NONE => self.oldest = place,
            newest => links.set_newer(newest, place),
        }
        self.newest = place;
        self.len = self.len.saturating_add(1);
    }

    /// Removes a slot from this list.
    pub(crate) fn take(&mut self, place: u32, links: &mut Links) {
        let Some(Link { older, newer }) = links.0.get(index(place)).copied() else { return };
        match older {
            NONE => self.oldest = newer,
            older => links.set_newer(older, newer),
        }
        match newer {
            NONE => self.newest = older,
            newer => links.set_older(newer, older),
        }
        self.len = self.len.saturating_sub(1);
    }

    /// Marks a slot of this list as the most recently used.
    pub(crate) fn renew(&mut self, place: u32, links: &mut Links) {
        if self.newest != place {
            self.take(place, links);
            self.push(place, links);
        }
    }
}

pub(crate) fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// Room for one more, by an eighth at a time: with a million entries half of a doubled list would lie idle.
pub(crate) fn reserve<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 8).max(8));
    }
}
