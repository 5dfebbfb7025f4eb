//! Names from the command line and from standard input, in the order they come.
//!
//! Knows nothing of what becomes of a name.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::task::{Context, Poll, ready};
use std::thread;
use std::vec;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::output::printable;
use crate::status::say;

/// Most names at once.
pub(crate) const MAX_JOBS: usize = 10_000;
/// Longest line, in bytes with its end: far more than the longest server name.
const MAX_LINE: u64 = 4096;
/// Names that are handed over together, at most, where so many are there already.
const TOGETHER: usize = 64;

/// What stands where a name is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The text, without blanks around it.
    pub(crate) text: String,
    /// Whether the line was too long, so that this is not all of it.
    pub(crate) cut: bool,
}

impl From<String> for Given {
    fn from(text: String) -> Self {
        Self { text, cut: false }
    }
}

type Portion = io::Result<Vec<Given>>;

/// Names, in the order in which they come.
pub(crate) struct Names {
    portions: Receiver<Portion>,
    ready: vec::IntoIter<Given>,
}

impl Names {
    /// The next name, as soon as there is one; none if there will be no more. An error is the last that comes.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Given>>> {
        loop {
            if let Some(name) = self.ready.next() {
                return Poll::Ready(Some(Ok(name)));
            }
            let Some(portion) = ready!(self.portions.poll_recv(context)) else {
                return Poll::Ready(None);
            };
            match portion {
                Ok(portion) => self.ready = portion.into_iter(),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl From<Receiver<Portion>> for Names {
    fn from(portions: Receiver<Portion>) -> Self {
        Self { portions, ready: Vec::new().into_iter() }
    }
}

/// Hands names out as they come. A thread of its own reads standard input: a read that never ends must not keep the
/// program from ending.
///
/// # Errors
/// When there is no thread to be had.
pub(crate) fn names(arguments: Vec<String>) -> io::Result<Names> {
    for name in arguments.iter().filter(|name| Path::new(name.as_str()).is_file()) {
        let name = printable(name);
        say(&format!(
            "note: {name} is also a file here; to read names from it: matrix-discovery check - < {name}"
        ));
    }
    let (sender, receiver) = channel(1);
    thread::Builder::new().spawn(move || {
        let mut gathered = Gathered { sender, names: Vec::new() };
        for argument in arguments {
            let going = match argument.as_str() {
                "-" => gathered.hand_over() && read(BufReader::new(io::stdin()), &mut gathered),
                _ => gathered.add(argument.into()),
            };
            if !going {
                return;
            }
        }
        let _ = gathered.hand_over();
    })?;
    Ok(receiver.into())
}

/// Names that are still to be handed over: doing so one by one would wake two threads for each.
struct Gathered {
    sender: Sender<Portion>,
    names: Vec<Given>,
}

impl Gathered {
    /// Adds one; hands over when there are enough. False: nobody wants more.
    fn add(&mut self, name: Given) -> bool {
        self.names.push(name);
        self.names.len() < TOGETHER || self.hand_over()
    }

    /// Hands over what there is. False: nobody wants more.
    fn hand_over(&mut self) -> bool {
        let names = std::mem::take(&mut self.names);
        names.is_empty() || self.sender.blocking_send(Ok(names)).is_ok()
    }

    /// Hands over what there is, and why there is no more.
    fn fail(&mut self, error: io::Error) -> bool {
        let _ = self.hand_over() && self.sender.blocking_send(Err(error)).is_ok();
        false
    }
}

/// The name in a line of a list: `#` at its beginning or behind a blank starts a comment.
fn name_in(line: &str) -> &str {
    let blank = |c: char| c.is_ascii_whitespace();
    let mut words = line.split(blank).filter(|word| !word.is_empty());
    match (words.next(), words.next()) {
        // The ID of a room alias begins with `#`, too.
        (Some(first), _) if first.starts_with('#') && !first.contains(':') => "",
        (Some(first), Some(second)) if second.starts_with('#') => first,
        _ => line,
    }
}

/// The server name in what was typed: a URL, a link to matrix.to, or the ID of a user, a room or a room alias.
pub(crate) fn forgiven(typed: &str) -> String {
    let mut text = typed.trim();
    for prefix in ["https://matrix.to/#/", "http://matrix.to/#/", "matrix.to/#/"] {
        if let Some(rest) = text.strip_prefix(prefix) {
            // Links escape the characters that begin an ID.
            let rest = rest
                .replace("%40", "@")
                .replace("%23", "#")
                .replace("%21", "!")
                .replace("%3A", ":");
            return forgiven(rest.split(['/', '?']).next().unwrap_or_default());
        }
    }
    for scheme in ["https://", "http://", "matrix://"] {
        if text.len() >= scheme.len()
            && text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        {
            text = text.get(scheme.len()..).unwrap_or_default();
            text = text.split(['/', '?', '#']).next().unwrap_or_default();
            return text.to_owned();
        }
    }
    if text.starts_with(['@', '#', '!', '$', '+'])
        && let Some((_, name)) = text.split_once(':')
    {
        text = name;
    }
    text.strip_suffix('/').unwrap_or(text).to_owned()
}

/// Reads names, one a line; empty lines are none. All are handed over before it waits for more. False: nobody wants more, or there
/// can be no more.
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
            Err(error) => return gathered.fail(error),
        }
        let cut = !line.ends_with(b"\n") && u64::try_from(line.len()) == Ok(MAX_LINE);
        if cut && let Err(error) = from.skip_until(b'\n') {
            return gathered.fail(error);
        }
        // Blanks of ASCII alone: others are no blanks to whoever looks at a name.
        let text = name_in(&String::from_utf8_lossy(line.trim_ascii())).to_owned();
        if (cut || !text.is_empty()) && !gathered.add(Given { text, cut }) {
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
        let text = |given: Given| if given.cut { format!("{}…", given.text) } else { given.text };
        let portions = std::iter::from_fn(|| receiver.blocking_recv());
        let shown = |portion: Portion| match portion {
            Ok(names) => names.into_iter().map(text).collect(),
            Err(error) => vec![format!("error: {error}")],
        };
        (going, portions.map(shown).collect())
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
    fn a_line_that_is_too_long_is_marked_and_stays_one_line() {
        let mut text = vec![b'a'; 10_000];
        text.extend_from_slice(b"\nb.example\n");
        let names = all(&text);
        assert_eq!(names.len(), 2);
        assert!(names[0].ends_with("a…"), "{}", names[0]);
        assert_eq!(names[1], "b.example");
    }

    #[test]
    fn a_name_before_many_blanks_is_no_whole_line() {
        let text = format!("a.example{}\nb.example\n", " ".repeat(5000));
        assert_eq!(all(text.as_bytes()), ["a.example…", "b.example"]);
    }

    #[test]
    fn comments_are_skipped() {
        let text = "# servers\n#other\na.example\nb.example  # mine\n#room:c.example\na b\n";
        assert_eq!(all(text.as_bytes()), ["a.example", "b.example", "#room:c.example", "a b"]);
    }

    #[test]
    fn the_server_name_is_found_in_what_people_type() {
        for (typed, name) in [
            ("example.org", "example.org"),
            (" example.org/ ", "example.org"),
            ("https://example.org", "example.org"),
            ("HTTPS://example.org:8448/path?x#y", "example.org:8448"),
            ("@alice:example.org", "example.org"),
            ("#room:example.org:8448", "example.org:8448"),
            ("!id:example.org", "example.org"),
            ("https://matrix.to/#/@alice:example.org", "example.org"),
            ("https://matrix.to/#/%23room%3Aexample.org?via=a.example", "example.org"),
            ("[2001:db8::1]:8448", "[2001:db8::1]:8448"),
            ("@alice", "@alice"),
        ] {
            assert_eq!(forgiven(typed), name, "{typed}");
        }
    }

    #[test]
    fn blanks_of_ascii_alone_are_dropped() {
        assert_eq!(all("\t a \r\n\u{a0}b\u{2003}\n".as_bytes()), ["a", "\u{a0}b\u{2003}"]);
    }

    #[test]
    fn an_error_comes_behind_the_names_before_it() {
        struct Breaks;
        impl Read for Breaks {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("it broke"))
            }
        }
        for (text, expected) in
            [("a\nb", &["a", "error: it broke"][..]), ("", &["error: it broke"])]
        {
            let (going, portions) = portions(text.as_bytes().chain(Breaks), usize::MAX);
            assert!(!going);
            assert_eq!(portions.concat(), expected);
        }
        let long = [b'a'; 5000];
        assert_eq!(portions(long.chain(Breaks), usize::MAX).1.concat(), ["error: it broke"]);
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
        let mut next = || {
            let next = runtime.block_on(poll_fn(|context| names.poll(context)));
            next.map(|name| name.unwrap().text)
        };
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
