//! Names from the command line and from standard input, in the order they come.
//!
//! Knows nothing of what becomes of a name.

use std::io::{self, BufRead, BufReader, Read};
use std::task::{Context, Poll, ready};
use std::thread;
use std::vec;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::status::warn;

/// Most names at once.
pub(crate) const MAX_JOBS: usize = 10_000;
/// Longest line of use, in bytes: far more than the longest server name. What follows on the line is dropped.
const MAX_LINE: u64 = 4096;
/// Names that are handed over together, at most, where so many are there already.
const TOGETHER: usize = 64;

/// Names, in the order in which they come.
pub(crate) struct Names {
    portions: Receiver<Vec<String>>,
    ready: vec::IntoIter<String>,
}

impl Names {
    /// The next name, as soon as there is one; none if there will be no more.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<String>> {
        loop {
            if let Some(name) = self.ready.next() {
                return Poll::Ready(Some(name));
            }
            let Some(portion) = ready!(self.portions.poll_recv(context)) else {
                return Poll::Ready(None);
            };
            self.ready = portion.into_iter();
        }
    }
}

impl From<Receiver<Vec<String>>> for Names {
    fn from(portions: Receiver<Vec<String>>) -> Self {
        Self { portions, ready: Vec::new().into_iter() }
    }
}

/// Hands names out as they come. A thread of its own reads standard input: a read that never ends must not keep the
/// program from ending.
pub(crate) fn names(arguments: Vec<String>) -> Names {
    let (sender, receiver) = channel(1);
    thread::spawn(move || {
        let mut gathered = Gathered { sender, names: Vec::new() };
        for argument in arguments {
            let going = match argument.as_str() {
                "-" => gathered.hand_over() && read(BufReader::new(io::stdin()), &mut gathered),
                _ => gathered.add(argument),
            };
            if !going {
                return;
            }
        }
        let _ = gathered.hand_over();
    });
    receiver.into()
}

/// Names that are still to be handed over: doing so one by one would wake two threads for each.
struct Gathered {
    sender: Sender<Vec<String>>,
    names: Vec<String>,
}

impl Gathered {
    /// Adds one; hands over when there are enough. False: nobody wants more.
    fn add(&mut self, name: String) -> bool {
        self.names.push(name);
        self.names.len() < TOGETHER || self.hand_over()
    }

    /// Hands over what there is. False: nobody wants more.
    fn hand_over(&mut self) -> bool {
        self.names.is_empty() || self.sender.blocking_send(std::mem::take(&mut self.names)).is_ok()
    }
}

/// Reads names, one a line; empty lines are none. All are handed over before it waits for more. False: nobody wants more.
fn read(mut from: BufReader<impl Read>, gathered: &mut Gathered) -> bool {
    let mut line = Vec::new();
    loop {
        if !from.buffer().contains(&b'\n') && !gathered.hand_over() {
            return false;
        }
        line.clear();
        match from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return gathered.hand_over(),
            Ok(_) => {}
            Err(error) => {
                warn(&format!("standard input: {error}"));
                return gathered.hand_over();
            }
        }
        if !line.ends_with(b"\n") && from.skip_until(b'\n').is_err() {
            return gathered.hand_over();
        }
        let text = String::from_utf8_lossy(&line);
        let name = text.trim();
        if !name.is_empty() && !gathered.add(name.to_owned()) {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::future::poll_fn;
    use std::sync::mpsc;

    use super::*;

    fn portions(from: impl Read, wanted: usize) -> (bool, Vec<Vec<String>>) {
        let (sender, mut receiver) = channel(100);
        let mut gathered = Gathered { sender, names: Vec::new() };
        if wanted == 0 {
            receiver.close();
        }
        let going = read(BufReader::new(from), &mut gathered);
        drop(gathered);
        (going, std::iter::from_fn(|| receiver.blocking_recv()).collect())
    }

    fn all(text: &[u8]) -> Vec<String> {
        let (going, portions) = portions(text, usize::MAX);
        assert!(going);
        portions.concat()
    }

    #[test]
    fn a_line_is_a_name_whatever_ends_it() {
        assert_eq!(
            all(b"a.example\r\n\n  b.example \nc.example"),
            ["a.example", "b.example", "c.example"]
        );
    }

    #[test]
    fn an_endless_line_is_cut_and_stays_one_line() {
        let mut text = vec![b'a'; 10_000];
        text.extend_from_slice(b"\nb.example\n");
        let names = all(&text);
        assert_eq!(names.len(), 2);
        assert_eq!(names[0].len(), usize::try_from(MAX_LINE).unwrap());
        assert_eq!(names[1], "b.example");
    }

    #[test]
    fn reading_stops_when_nobody_wants_more() {
        assert!(!portions(&b"a\nb\nc\n"[..], 0).0);
    }

    #[test]
    fn names_that_are_there_come_together_and_none_waits_for_another() {
        /// Gives its pieces one at a time, each only when all names before it have been handed over.
        struct Typed(Vec<&'static [u8]>, mpsc::Receiver<()>);
        impl Read for Typed {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let Some(piece) = self.0.pop() else { return Ok(0) };
                self.1.recv().unwrap();
                into[..piece.len()].copy_from_slice(piece);
                Ok(piece.len())
            }
        }
        let (go, may_go) = mpsc::channel();
        let (sender, receiver) = channel(1);
        let typed = Typed(vec![b".example\nc\nd\n", b"a.example\nb"], may_go);
        let reader = thread::spawn(move || {
            read(BufReader::new(typed), &mut Gathered { sender, names: Vec::new() })
        });
        let mut names = Names::from(receiver);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut next = || runtime.block_on(poll_fn(|context| names.poll(context)));
        go.send(()).unwrap();
        assert_eq!(next().as_deref(), Some("a.example"));
        go.send(()).unwrap();
        assert_eq!(next().as_deref(), Some("b.example"));
        assert_eq!([next(), next(), next()], [Some("c".to_owned()), Some("d".to_owned()), None]);
        assert!(reader.join().unwrap());
    }

    #[test]
    fn many_names_come_in_portions_and_none_is_lost() {
        let text: String = (0..1000).map(|n| format!("n{n}.example\n")).collect();
        let (going, portions) = portions(text.as_bytes(), usize::MAX);
        assert!(going);
        assert!(portions.iter().all(|portion| portion.len() <= TOGETHER));
        assert!(portions.len() < 30, "{}", portions.len());
        let names: Vec<_> = text.lines().map(str::to_owned).collect();
        assert_eq!(portions.concat(), names);
    }
}
