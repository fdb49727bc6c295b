//! An interrupt ends the call at once, including its connection, and is no failure.

use conversation::TurnOutcome;
use conversation::Usage;
use scripted_model::{Ended, Ending, ScriptedModel, Step};
use voiced::llm::{Answer, OpenAi};

use crate::llm::faults::full_backlog;
use crate::llm::support::{Asking, ask_of, begin, config, model};

async fn interrupted(asking: Asking) -> Answer {
    asking.cancel.cancel();
    let answer = asking.task.await.unwrap();
    assert_eq!(answer.outcome, TurnOutcome::Interrupted);
    answer
}

async fn is_cut(model: &ScriptedModel) {
    model.wait(|requests| requests[0].ended == Ended::Cut).await.unwrap();
    assert_eq!(model.in_flight(), 0);
}

#[tokio::test]
async fn before_the_head_of_the_answer() {
    let model = model([Step::hang()]).await;
    let asking = begin(&OpenAi::new(&config(&model.base_url())).unwrap(), 8);
    model.wait(|requests| requests.len() == 1).await.unwrap();
    let answer = interrupted(asking).await;
    assert_eq!((answer.text.expose(), answer.attempts.len(), answer.time_to_first_token), ("", 1, None));
    assert!(answer.usage.estimated && answer.usage.input > 0 && answer.usage.output == 0);
    is_cut(&model).await;
}

#[tokio::test]
async fn between_two_tokens() {
    let model = model([Step::reply("one two three").ending(Ending::Stall).after(2)]).await;
    let mut asking = begin(&OpenAi::new(&config(&model.base_url())).unwrap(), 8);
    assert_eq!(asking.deltas.recv().await.unwrap().expose(), "one");
    assert_eq!(asking.deltas.recv().await.unwrap().expose(), " two");
    let answer = interrupted(asking).await;
    assert_eq!(answer.text.expose(), "one two");
    assert_eq!(answer.usage, Usage { input: 18, output: 2, cached_input: None, estimated: true });
    is_cut(&model).await;
}

#[tokio::test]
async fn while_the_room_is_slow() {
    let model = model([Step::reply("one two three four").ending(Ending::Stall)]).await;
    let asking = begin(&OpenAi::new(&config(&model.base_url())).unwrap(), 1);
    while asking.deltas.is_empty() {
        tokio::task::yield_now().await;
    }
    let answer = interrupted(asking).await;
    assert_eq!(answer.text.expose(), "one");
    is_cut(&model).await;
}

#[tokio::test]
async fn during_the_wait_before_another_attempt() {
    let model = model([Step::status(503).retry_after("5")]).await;
    let asking = begin(&OpenAi::new(&config(&model.base_url())).unwrap(), 8);
    model.wait(|requests| requests.iter().any(|request| request.ended == Ended::Answered)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let answer = interrupted(asking).await;
    assert_eq!((answer.attempts.len(), answer.usage), (1, Usage::default()));
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn while_connecting() {
    let (base_url, _queue) = full_backlog().await;
    let asking = begin(&OpenAi::new(&config(&base_url)).unwrap(), 8);
    tokio::task::yield_now().await;
    assert_eq!(interrupted(asking).await.attempts.len(), 1);
}

#[tokio::test]
async fn before_it_began() {
    let model = model([]).await;
    let asking = begin(&OpenAi::new(&config(&model.base_url())).unwrap(), 8);
    // The task has not run yet: the test's runtime has one thread.
    let answer = interrupted(asking).await;
    assert_eq!((answer.attempts.len(), answer.usage), (0, Usage::default()));
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn without_a_listener() {
    let model = model([Step::reply("one two three").ending(Ending::Stall).after(2)]).await;
    let mut asking = begin(&OpenAi::new(&config(&model.base_url())).unwrap(), 8);
    asking.deltas.recv().await.unwrap();
    drop(asking.deltas);
    assert_eq!(asking.task.await.unwrap().outcome, TurnOutcome::Interrupted);
    is_cut(&model).await;
}

#[tokio::test]
async fn when_the_asking_task_is_gone() {
    let model = model([Step::reply("one two three").ending(Ending::Stall).after(1)]).await;
    let mut asking = begin(&OpenAi::new(&config(&model.base_url())).unwrap(), 8);
    asking.deltas.recv().await.unwrap();
    asking.task.abort();
    is_cut(&model).await;
}

#[tokio::test]
async fn the_next_question_is_answered_as_if_nothing_had_been() {
    let model = model([Step::reply("one two").ending(Ending::Stall).after(1), Step::reply("again")]).await;
    let answerer = OpenAi::new(&config(&model.base_url())).unwrap();
    let mut asking = begin(&answerer, 8);
    asking.deltas.recv().await.unwrap();
    interrupted(asking).await;
    let asked = ask_of(&answerer).await;
    assert_eq!((asked.class(), asked.text()), ("complete", "again"));
}
