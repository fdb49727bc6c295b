//! One session in trouble changes nothing for the others: everybody else is answered, with their own words and as fast as
//! before, and the session itself recovers or ends as it should.
//!
//! - `steady`: people in other rooms who talk all the time, and how long they wait
//! - `inside`: defects of ours, in a worker within this process whose answers the test makes
//! - `outside`: what people and other agents can do to a real `voiced`

mod inside;
mod outside;
mod steady;
mod troublemaker;
