//! The query of a URL.

use thiserror::Error;
use turn_store::{Filter, NoTime, Place, Status, UnknownStatus, When};
use url::form_urlencoded;

use crate::config::parse_duration;

const SHORTEST_PAGE: usize = 1;
const LONGEST_PAGE: usize = 200;
/// Longer values are no room's name and no place.
const MAX_VALUE: usize = 512;
pub(super) const DEFAULT_SINCE: &str = "24h";

/// A page of sessions or turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) filter: Filter,
    /// The text as it was written, for the form.
    pub(super) since: String,
    pub(super) cursor: Option<Place>,
    pub(super) limit: usize,
    /// The limit, if the URL has one.
    pub(super) chosen_limit: Option<usize>,
}

/// What is wrong with a query, for the author of its URL.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{name}: {fault}")]
pub(super) struct QueryError {
    name: String,
    fault: Fault,
}

/// What is wrong with one parameter.
#[derive(Debug, PartialEq, Eq, Error)]
enum Fault {
    #[error("it is longer than {MAX_VALUE} bytes")]
    TooLong,
    #[error(transparent)]
    Time(#[from] NoTime),
    #[error("{0}")]
    Status(UnknownStatus),
    #[error("take it from `next` of an answer")]
    Cursor,
    #[error("expected a number from {SHORTEST_PAGE} to {LONGEST_PAGE}")]
    Limit,
    #[error("there is since, until, room, status, limit and cursor")]
    Unknown,
    #[error("of a session's turns there is limit and cursor")]
    NotOfTurns,
}

// === impl Query ===

impl Query {
    /// Empty values are as good as none: forms send them.
    pub(super) fn parse(query: &str, now: When, page: usize) -> Result<Self, QueryError> {
        let mut parsed = Self { since: DEFAULT_SINCE.to_owned(), limit: page, ..Self::default() };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !value.is_empty() {
                parsed.set(&name, &value, now).map_err(|fault| fault.of(&name))?;
            }
        }
        let since = When::parse(&parsed.since, now, parse_duration);
        let since = since.map_err(|error| Fault::Time(error).of("since"))?;
        parsed.filter.window.since_us = since.map(|since| since.0);
        Ok(parsed)
    }

    /// A page of one session's turns, for which there are fewer parameters.
    pub(super) fn of_turns(query: &str, page: usize) -> Result<Self, QueryError> {
        let mut said = form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty());
        match said.find(|(name, _)| !["cursor", "limit"].contains(&&**name)) {
            Some((name, _)) => Err(Fault::NotOfTurns.of(&name)),
            None => Self::parse(query, When::now(), page),
        }
    }

    fn set(&mut self, name: &str, value: &str, now: When) -> Result<(), Fault> {
        if value.len() > MAX_VALUE {
            return Err(Fault::TooLong);
        }
        match name {
            "since" => self.since = value.to_owned(),
            "until" => {
                self.filter.window.until_us = When::parse(value, now, parse_duration)?.map(|until| until.0)
            }
            "room" => self.filter.room = Some(value.to_owned()),
            "status" => self.filter.status = Some(value.parse().map_err(Fault::Status)?),
            "cursor" => self.cursor = Some(Place::parse(value).ok_or(Fault::Cursor)?),
            "limit" => {
                self.limit = limit(value)?;
                self.chosen_limit = Some(self.limit);
            }
            _ => return Err(Fault::Unknown),
        }
        Ok(())
    }

    /// The same question at another place, or at the beginning, as the query of a URL.
    pub(super) fn at(&self, cursor: Option<&Place>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("since", &self.since);
        query.extend_pairs(self.until().map(|until| ("until", until)));
        query.extend_pairs(self.filter.room.as_ref().map(|room| ("room", room)));
        query.extend_pairs(self.filter.status.map(|status: Status| ("status", status.as_str())));
        query.extend_pairs(self.chosen_limit.map(|limit| ("limit", limit.to_string())));
        query.extend_pairs(cursor.map(|cursor| ("cursor", cursor.token())));
        query.finish()
    }

    /// The value as a point in time, even if it was written as a length: a length would mean another time on the next
    /// page.
    pub(super) fn until(&self) -> Option<String> {
        self.filter.window.until_us.map(|us| When(us).exact())
    }
}

fn limit(text: &str) -> Result<usize, Fault> {
    let limit = text.parse().ok().filter(|limit| (SHORTEST_PAGE..=LONGEST_PAGE).contains(limit));
    limit.ok_or(Fault::Limit)
}

// === impl Fault ===

impl Fault {
    fn of(self, name: &str) -> QueryError {
        QueryError { name: name.to_owned(), fault: self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turn_store::Window;

    const NOW: When = When(1_764_097_307_000_000);

    fn parse(query: &str) -> Result<Query, QueryError> {
        Query::parse(query, NOW, 50)
    }

    #[test]
    fn a_filter_is_read_and_carried_to_the_next_page() {
        let query = parse("since=7d&room=k%20%26*&status=failed&until=1m&limit=7").unwrap();
        assert_eq!((query.filter.room.as_deref(), query.limit), (Some("k &*"), 7));
        assert_eq!(query.filter.status, Some(Status::Failed));
        assert_eq!(query.filter.window.since_us, Some(NOW.0 - 7 * 86_400_000_000));
        let place = Place { started_us: 5, id: "RM_a-b".to_owned() };
        let next = Query::parse(&query.at(Some(&place)), When(NOW.0 + 1), 50).unwrap();
        assert_eq!(next.filter.window.until_us, Some(NOW.0 - 60_000_000), "it does not move");
        assert_eq!((&next.filter.room, next.filter.status), (&query.filter.room, query.filter.status));
        assert_eq!((next.limit, &next.cursor), (7, &Some(place)));
        assert_eq!(parse(&next.at(None)).unwrap(), query, "back at the beginning");
    }

    #[test]
    fn what_a_form_leaves_empty_counts_as_not_said() {
        let query = parse("since=&room=&status=").unwrap();
        assert_eq!((query.since.as_str(), query.filter.room, query.limit), ("24h", None, 50));
        assert_eq!(parse("since=all").unwrap().filter.window, Window::default());
    }

    #[test]
    fn turns_of_a_session_are_not_filtered_and_say_so() {
        assert_eq!(Query::of_turns("limit=3&cursor=5-RM_1&since=", 50).unwrap().limit, 3);
        assert!(
            Query::of_turns("limit=3&status=failed", 50).unwrap_err().to_string().starts_with("status: ")
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for query in ["since=soon", "until=x", "status=ok", "limit=0", "limit=9999", "cursor=x", "rooms=a"] {
            let name = query.split('=').next().unwrap();
            assert!(parse(query).unwrap_err().to_string().starts_with(name), "{query}");
        }
        assert!(parse(&format!("room={}", "x".repeat(513))).is_err());
    }
}
