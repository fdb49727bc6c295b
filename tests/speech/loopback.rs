//! Without loss every word arrives, whoever speaks to whom.

use testbed::LivekitServer;

use crate::ends::{Call, WAYS, cut, lateness};
use crate::reading::{read, wrong_words};
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
    let mut wrong = 0;
    for (way, call) in WAYS.into_iter().zip(calls) {
        let (said, heard) = call.finish(speech.length());
        println!("{way} late by {:?}", lateness(&said));
        for (sentence, text) in speech.sentences.iter().zip(read(&cut(&speech, &said, &heard))) {
            let errors = wrong_words(sentence.text, &text);
            println!("{way:<16}  {errors} wrong  {text}");
            wrong += errors;
        }
    }
    assert_eq!(wrong, 0, "words were lost without any loss of packets");
}
