//! The log of the scripted vendors.

use anyhow::Result;
use serde::Deserialize;
use speech::pieces::Pieces;

/// One request; times are microseconds since 1970.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) endpoint: Endpoint,
    pub(super) is_answered: bool,
    pub(super) came_us: u64,
    pub(super) written_us: Vec<u64>,
    pub(super) ended_us: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Endpoint {
    Chat,
    Transcription,
    Speech,
}

#[derive(Deserialize)]
struct Entry {
    endpoint: Endpoint,
    ended: String,
    came_us: u64,
    written_us: Vec<u64>,
    ended_us: Option<u64>,
}

/// In the order in which they came.
pub(super) fn requests(log: &str) -> Result<Vec<Request>> {
    let mut requests: Vec<Request> =
        serde_json::from_str::<Vec<Entry>>(log)?.into_iter().map(Request::from).collect();
    requests.sort_by_key(|request| request.came_us);
    Ok(requests)
}

impl From<Entry> for Request {
    fn from(entry: Entry) -> Self {
        let Entry { endpoint, ended, came_us, written_us, ended_us } = entry;
        Self { endpoint, is_answered: ended == "answered", came_us, written_us, ended_us }
    }
}

/// Which write of a reply completes its first piece. The first write names the role, and each word is one.
pub(super) fn completing_write(reply: &str) -> Option<usize> {
    let mut pieces = Pieces::new(Default::default());
    let words = words(reply);
    let completes = words.iter().position(|word| !pieces.push(word).is_empty());
    // A reply of one piece is complete at its end: behind the words is the reason for it.
    completes.map(|at| at + 1).or(Some(words.len() + 1))
}

/// The words of a text, each with the blank before it, as the scripted model streams them.
fn words(text: &str) -> Vec<String> {
    let words = text.split(' ').enumerate();
    words.map(|(at, word)| if at == 0 { word.to_owned() } else { format!(" {word}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_write_that_completes_the_first_piece_is_found() {
        let reply = "Of course I can tell you, it will be sunny.";
        assert_eq!(words(reply).concat(), reply);
        assert_eq!(completing_write(reply), Some(6), "the first clause leaves at its comma");
        assert_eq!(completing_write("Yes."), Some(2));
    }

    #[test]
    fn requests_are_read_in_the_order_of_time() {
        let log = r#"[{"endpoint": "chat", "ended": "cut", "came_us": 2, "written_us": [3], "ended_us": null},
            {"endpoint": "speech", "ended": "answered", "came_us": 1, "written_us": [], "ended_us": 4}]"#;
        let requests = requests(log).unwrap();
        assert_eq!(requests[0].endpoint, Endpoint::Speech);
        assert!(requests[0].is_answered && !requests[1].is_answered);
    }
}
