//! Runs work on several items in parallel, one per core. The results are in the order of the items.
//!
//! It does not know the work.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The result for each item. A panic in the work is a panic here.
pub(crate) fn map<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || -> Vec<(usize, R)> {
        let index = || next.fetch_add(1, Ordering::Relaxed);
        let taken = std::iter::from_fn(|| {
            let index = index();
            things.get(index).map(|thing| (index, work(thing)))
        });
        taken.collect()
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(things.len());
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(take)).collect();
        let joined = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn each_thing_is_worked_on_once_and_results_keep_the_order_of_the_things() {
        let things: Vec<u64> = (0..1000).collect();
        let squares: Vec<u64> = things.iter().map(|thing| thing * thing).collect();
        assert_eq!(map(&things, |thing| thing * thing), squares);
        assert_eq!(map(&[], |thing: &u64| *thing), Vec::<u64>::new());
    }

    #[test]
    #[should_panic(expected = "the third")]
    fn a_panic_in_the_work_is_not_lost() {
        map(&[1, 2, 3, 4], |thing| assert!(*thing != 3, "the third"));
    }
}
