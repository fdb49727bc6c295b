//! One session in trouble changes nothing for the others: every other caller is answered as fast as before, with the
//! answers to their own questions, and the session itself recovers or ends as it should.
//!
//! - `steady`: people in other rooms who talk all the time, and how long they wait
//! - `inside`: defects of ours, in a worker within this process whose answers the test makes
//! - `outside`: what people and other agents can do to a real `voiced`

mod inside;
mod outside;
mod steady;
mod troublemaker;
