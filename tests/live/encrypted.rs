//! End-to-end encryption through a real server: the crate `livekit` over our `libwebrtc` and LiveKit's Python SDK,
//! whose WebRTC is the C++ library, understand each other. A participant without the key understands neither.

mod member;
mod python;
mod sound;

use std::time::Duration;

use livekit::e2ee::key_provider::KeyDerivationAlgorithm;
use member::Member;
use python::Python;
use testbed::LivekitServer;

/// Long enough for a busy machine; only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &str = "secrets";
/// As few as the test needs: the C++ library derives all of them for each packet that it cannot decrypt.
const RATCHET_WINDOW: i32 = 2;
const KEY: &str = "correct horse battery staple";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Derivation {
    Pbkdf2,
    Hkdf,
}

// === impl Derivation ===

impl Derivation {
    fn algorithm(self) -> KeyDerivationAlgorithm {
        match self {
            Self::Pbkdf2 => KeyDerivationAlgorithm::PBKDF2,
            Self::Hkdf => KeyDerivationAlgorithm::HKDF,
        }
    }

    fn python(self) -> &'static str {
        match self {
            Self::Pbkdf2 => "PBKDF2",
            Self::Hkdf => "HKDF",
        }
    }
}

/// The received texts of [`Member::say`] and of Python's `say`: a data packet and a text stream, whichever arrives
/// first.
fn both(text: &str) -> Vec<String> {
    vec![format!("[{text}]"), text.to_owned()]
}

async fn talk_both_ways(derivation: Derivation) {
    let livekit = LivekitServer::start().expect("livekit-server starts");
    let mut member = Member::join(&livekit, "member", Some((KEY, derivation))).await;
    let mut python = Python::join(&livekit, "python", KEY, derivation);
    member.sees(&["python"]).await;

    python.say("hello from Python");
    assert_eq!(member.hear(2).await, both("hello from Python"));
    member.say("hello from Rust").await;
    assert_eq!(python.hear(2), both("hello from Rust"));
    // More than one packet of the stream, in either direction.
    let long = "a long text, ".repeat(5000);
    python.say(&long[..50_000]);
    assert_eq!(member.hear(2).await, both(&long[..50_000]));
    member.say(&long[..50_000]).await;
    assert_eq!(python.hear(2), both(&long[..50_000]));

    python.play(440);
    member.hears_tone("python", 440).await;
    member.play(660).await;
    python.hears_tone("member", 660);

    // Python ratchets its key without telling us; we find the new key by trying, and then ratchet ours.
    let ratcheted = python.ratchet();
    python.say("after the ratchet");
    assert_eq!(member.hear(2).await, both("after the ratchet"));
    python.play(880);
    member.hears_tone("python", 880).await;
    assert_eq!(member.ratchet(), ratcheted);
    member.say("and so did we").await;
    assert_eq!(python.hear(2), both("and so did we"));
    member.play(990).await;
    python.hears_tone("member", 990);
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_and_python_understand_each_other_with_pbkdf2() {
    talk_both_ways(Derivation::Pbkdf2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_and_python_understand_each_other_with_hkdf() {
    talk_both_ways(Derivation::Hkdf).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_there_is_nothing_to_understand() {
    const WRONG: &str = "incorrect horse battery staple";
    let livekit = LivekitServer::start().expect("livekit-server starts");
    let mut member = Member::join(&livekit, "member", Some((KEY, Derivation::Pbkdf2))).await;
    let mut wrong = Member::join(&livekit, "wrong", Some((WRONG, Derivation::Pbkdf2))).await;
    let mut other = Member::join(&livekit, "other", Some((KEY, Derivation::Hkdf))).await;
    let mut open = Member::join(&livekit, "open", None).await;
    let mut python = Python::join(&livekit, "python", KEY, Derivation::Pbkdf2);
    let mut wrong_python = Python::join(&livekit, "wrong python", "wrong horse", Derivation::Pbkdf2);
    for joined in [&mut member, &mut wrong, &mut other, &mut open] {
        joined.sees(&["python", "wrong python"]).await;
    }

    member.say("from Rust").await;
    assert_eq!(python.hear(2), both("from Rust"));
    python.say("from Python");
    assert_eq!(member.hear(2).await, both("from Python"));
    wrong.say("wrong").await;
    wrong_python.say("wrong from Python");

    member.play(500).await;
    python.hears_tone("member", 500);
    for deaf in [&wrong, &other] {
        deaf.hears_silence("member").await;
    }
    wrong_python.hears_silence("member");
    assert!(open.ears.lately("member").is_some() && !open.ears.hears("member", 500));

    // Unencrypted messages follow on the same channels, and every participant receives them.
    open.say("open to all").await;
    for listener in [&mut member, &mut wrong, &mut other] {
        assert_eq!(listener.hear(2).await, both("open to all"));
    }
    assert_eq!(python.hear(2), both("open to all"));
    assert_eq!(wrong_python.hear(2), both("open to all"));
    open.hears_nothing_else();
}
