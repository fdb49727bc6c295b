//! Without loss every word arrives, whichever SDK speaks to which.

use std::path::Path;

use testbed::LivekitServer;

use crate::speech::ends::{Call, Heard, WAYS, Way};
use crate::speech::reading::compare;
use crate::speech::steady::{on_time, one_at_a_time};
use crate::speech::synthesis::{ALL, FEW, RATE, Speech};

#[test]
fn over_loopback_every_word_is_read_as_it_was_said() {
    lose_no_word(FEW);
}

#[test]
#[ignore = "--all: the test above with more sentences"]
fn over_loopback_every_word_of_all_sentences_is_read_as_it_was_said() {
    lose_no_word(ALL);
}

fn lose_no_word(sentences: usize) {
    let directory = tempfile::tempdir().unwrap();
    let Some(speech) = Speech::synthesised(directory.path(), sentences) else { return };
    let livekit = LivekitServer::start().unwrap();
    let _alone = one_at_a_time();
    let heard = on_time(|| Some(hold(&livekit, &speech, directory.path())));
    let wrong = compare(&speech, &heard);
    assert_eq!(wrong, [0; WAYS.len()], "words were lost without any loss of packets");
}

/// Holds the calls of all pairs at the same time.
fn hold(livekit: &LivekitServer, speech: &Speech, directory: &Path) -> Vec<(String, Heard)> {
    let here = &|command| command;
    let call = |way: Way| {
        let files = directory.join(testbed::unique_hex());
        speech.write_for(&files);
        (way, Call::begin(livekit, livekit.url(), way, [here, here], RATE, &files))
    };
    let calls = WAYS.map(call);
    let finish = |call: Call| call.finish(speech.length()).expect("calls come about where nothing is lost");
    calls.map(|(way, call)| (way.to_string(), finish(call))).into()
}
