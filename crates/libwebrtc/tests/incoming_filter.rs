//! A program may look at and change the messages of its data channels before their callbacks get them. There is one
//! filter for a process, so this test program has no other tests.

#![allow(clippy::unwrap_used)] // The helpers of these tests are tests too.
#![allow(dead_code)] // Of the helpers.

mod two_peers {
    mod filtered;
    pub(crate) mod support;
}
