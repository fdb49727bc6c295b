//! Which failures are tried again, and which are not.

use conversation::Usage;
use scripted_model::{Ending, Step};
use voiced::config;

use crate::llm::support::{ask, config, model};

/// A failure before the first word, then a good answer.
async fn recovers(failure: Step) {
    let said = format!("{failure:?}");
    let model = model([failure, Step::reply("here I am").usage(57, 3)]).await;
    let asked = ask(&config(&model.base_url())).await;
    asked.check();
    assert_eq!((asked.class(), asked.text()), ("complete", "here I am"), "{said}");
    assert_eq!((asked.answer.attempts.len(), model.requests().len()), (2, 2), "{said}");
    assert_eq!(asked.answer.usage, Usage { input: 57, output: 3, ..Usage::default() }, "{said}");
}

#[tokio::test]
async fn a_status_that_may_pass_is_tried_again() {
    for status in [408, 409, 429, 500, 502, 503, 504] {
        recovers(Step::status(status)).await;
    }
}

#[tokio::test]
async fn whatever_breaks_before_the_first_word_is_tried_again() {
    for ending in
        [Ending::Drop, Ending::Close, Ending::Reset, Ending::Malformed, Ending::Error, Ending::Truncate]
    {
        recovers(Step::reply("never heard").ending(ending).after(0)).await;
    }
}

#[tokio::test]
async fn an_empty_reply_is_tried_again() {
    recovers(Step::reply("").no_usage()).await;
}

#[tokio::test]
async fn the_tokens_of_an_empty_reply_are_counted_too() {
    let model = model([Step::reply("").usage(57, 0), Step::reply("now").usage(57, 1)]).await;
    let asked = ask(&config(&model.base_url())).await;
    assert_eq!(asked.answer.usage, Usage { input: 114, output: 1, ..Usage::default() });
}

#[tokio::test]
async fn attempts_are_as_many_as_configured_and_the_library_adds_none() {
    for max_attempts in [1, 2, 3] {
        let model = model([500, 500, 500, 500].map(Step::status)).await;
        let asked = ask(&config::Llm { max_attempts, ..config(&model.base_url()) }).await;
        asked.check();
        assert_eq!((asked.class(), asked.answer.attempts.len()), ("500", max_attempts as usize));
        assert_eq!(model.requests().len() as u32, max_attempts);
        assert_eq!(asked.answer.usage, Usage::default());
    }
}

#[tokio::test]
async fn what_the_request_is_to_blame_for_is_final() {
    for status in [400, 401, 403, 404, 413, 422] {
        let model = model([Step::status(status), Step::reply("too late")]).await;
        let asked = ask(&config(&model.base_url())).await;
        assert_eq!((asked.class(), asked.answer.attempts.len()), (status.to_string().as_str(), 1));
    }
}

#[tokio::test]
async fn nothing_is_said_twice() {
    for ending in [Ending::Close, Ending::Reset, Ending::Malformed, Ending::Error, Ending::Truncate] {
        let broken = Step::reply("one two three four").ending(ending).after(2);
        let model = model([broken, Step::reply("one two three four")]).await;
        let asked = ask(&config(&model.base_url())).await;
        asked.check();
        assert_eq!((asked.text(), model.requests().len()), ("one two", 1), "{ending:?}");
        assert!(asked.answer.usage.estimated && asked.answer.usage.output > 0, "{ending:?}");
    }
}
