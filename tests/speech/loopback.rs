//! Without loss every word arrives, whoever speaks to whom.

use testbed::LivekitServer;

use crate::ends::{Call, WAYS};
use crate::reading::compare;
use crate::speech::{RATE, Speech, write};

#[test]
fn over_loopback_every_word_is_read_as_it_was_said() {
    let directory = tempfile::tempdir().unwrap();
    let Some(speech) = Speech::synthesised(directory.path()) else { return };
    let livekit = LivekitServer::start().unwrap();
    let here = &|command| command;
    let call = |(number, way)| {
        let files = directory.path().join(format!("call-{number}"));
        write(&speech.samples, &directory.path().join(format!("call-{number}-said.pcm")));
        Call::begin(&livekit, livekit.url(), way, [here, here], RATE, &files)
    };
    let calls: Vec<_> = WAYS.into_iter().enumerate().map(call).collect();
    let heard: Vec<_> = WAYS
        .into_iter()
        .zip(calls)
        .map(|(way, call)| (way.to_string(), call.finish(speech.length())))
        .collect();
    let wrong = compare(&speech, &heard);
    assert_eq!(wrong, [0; WAYS.len()], "words were lost without any loss of packets");
}
