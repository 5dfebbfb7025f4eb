//! Names from the command line and from standard input, in the order they come.
//!
//! Knows nothing of what becomes of a name.

use std::io::{BufRead, Read};
use std::thread;

use tokio::sync::mpsc::{Receiver, channel};

use crate::status::warn;

/// Most names at once.
pub(crate) const MAX_JOBS: usize = 10_000;
/// Longest line of use, in bytes: far more than the longest server name. What follows on the line is dropped.
const MAX_LINE: u64 = 4096;

/// Hands names out as they come. A thread of its own reads standard input: a read that never ends must not keep the
/// program from ending.
pub(crate) fn names(arguments: Vec<String>) -> Receiver<String> {
    let (sender, receiver) = channel(64);
    thread::spawn(move || {
        let mut send = |name: String| sender.blocking_send(name).is_ok();
        for argument in arguments {
            let going = match argument.as_str() {
                "-" => read(&mut std::io::stdin().lock(), &mut send),
                _ => send(argument),
            };
            if !going {
                return;
            }
        }
    });
    receiver
}

/// Reads names, one a line; empty lines are none. False: nobody wants more.
fn read(from: &mut impl BufRead, send: &mut impl FnMut(String) -> bool) -> bool {
    let mut line = Vec::new();
    loop {
        line.clear();
        match from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                warn(&format!("standard input: {error}"));
                return true;
            }
        }
        if !line.ends_with(b"\n") && from.skip_until(b'\n').is_err() {
            return true;
        }
        let text = String::from_utf8_lossy(&line);
        let name = text.trim();
        if !name.is_empty() && !send(name.to_owned()) {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn all(text: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        assert!(read(&mut &*text, &mut |name| {
            names.push(name);
            true
        }));
        names
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
        let mut count = 0;
        let going = read(&mut &b"a\nb\nc\n"[..], &mut |_| {
            count += 1;
            count < 2
        });
        assert_eq!((going, count), (false, 2));
    }
}
