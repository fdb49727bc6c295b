//! The states that a cryptor reports, and its lifetime.

use std::{
    sync::Weak,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    media::{cryptor, of, pass},
    *,
};
use crate::{
    direction::RtpTransceiverDirection, pc::transceiver::Kind, transceiver_init::RtpTransceiverInit,
};
use EncryptionState::{DecryptionFailed, EncryptionFailed, KeyRatcheted, MissingKey, Ok};

/// Only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

type States = Arc<Mutex<Vec<EncryptionState>>>;

fn recorder() -> (States, OnStateChange) {
    let states = States::default();
    let seen = states.clone();
    let record = move |participant: String, state| {
        assert_eq!(participant, "alice");
        seen.lock().push(state);
    };
    (states, Box::new(record))
}

fn states(cryptor: &MediaCryptor) -> States {
    let (states, record) = recorder();
    cryptor.observe(Some(record));
    states
}

fn audio() -> Arc<Transceiver> {
    transceiver(Kind::Audio)
}

fn transceiver(kind: Kind) -> Arc<Transceiver> {
    let init = RtpTransceiverInit {
        direction: RtpTransceiverDirection::SendRecv,
        stream_ids: Vec::new(),
        send_encodings: Vec::new(),
    };
    Arc::new(Transceiver::new(kind, None, init, crate::pc::link::Link::loose()))
}

fn for_sender(transceiver: &Arc<Transceiver>, provider: &KeyProvider) -> FrameCryptor {
    let cryptor = FrameCryptor::new_for_rtp_sender(
        &PeerConnectionFactory::default(),
        "alice".to_owned(),
        EncryptionAlgorithm::AesGcm,
        provider.clone(),
        RtpSender { inner: transceiver.clone() },
    );
    cryptor.set_enabled(true);
    cryptor
}

fn for_receiver(transceiver: &Arc<Transceiver>, provider: &KeyProvider) -> FrameCryptor {
    let cryptor = FrameCryptor::new_for_rtp_receiver(
        &PeerConnectionFactory::default(),
        "alice".to_owned(),
        EncryptionAlgorithm::AesGcm,
        provider.clone(),
        RtpReceiver { inner: transceiver.clone() },
    );
    cryptor.set_enabled(true);
    cryptor
}

#[test]
fn an_observer_hears_of_changes_only() {
    let provider = KeyProvider::new(options());
    let (sender, receiver) = (cryptor(Direction::Send, &provider), cryptor(Direction::Receive, &provider));
    let (sent, received) = (states(&sender), states(&receiver));
    for _ in 0..3 {
        pass(&sender, b"frame");
    }
    provider.set_key("alice".to_owned(), 0, b"key".to_vec());
    let sealed = pass(&sender, b"frame").unwrap();
    for _ in 0..3 {
        pass(&sender, b"frame");
        pass(&receiver, &sealed);
    }
    assert_eq!(*sent.lock(), [MissingKey, Ok]);
    pass(&receiver, b"too short");
    pass(&receiver, &[sealed.split_last().unwrap().1, &[9]].concat());
    pass(&receiver, &sealed);
    assert_eq!(*received.lock(), [Ok, DecryptionFailed, MissingKey, Ok]);
}

#[test]
fn what_cannot_be_encrypted_is_reported() {
    let provider = shared(b"key", options());
    for (direction, state) in [(Direction::Send, EncryptionFailed), (Direction::Receive, DecryptionFailed)] {
        for (algorithm, kind) in
            [(EncryptionAlgorithm::AesCbc, Kind::Audio), (EncryptionAlgorithm::AesGcm, Kind::Video)]
        {
            let cryptor = of(algorithm, kind, direction, &provider);
            let states = states(&cryptor);
            pass(&cryptor, &[0; 60]);
            assert_eq!(*states.lock(), [state]);
        }
    }
}

#[test]
fn a_key_that_fails_too_often_is_given_up_until_there_is_a_new_one() {
    let tolerant = KeyProviderOptions { failure_tolerance: 2, ..options() };
    let (good, receiving) = (shared(b"key", options()), shared(b"key", tolerant));
    let (sender, stranger) =
        (cryptor(Direction::Send, &good), cryptor(Direction::Send, &shared(b"another", options())));
    let receiver = cryptor(Direction::Receive, &receiving);
    let states = states(&receiver);
    let (sealed, strange) = (pass(&sender, b"frame").unwrap(), pass(&stranger, b"frame").unwrap());

    for _ in 0..2 {
        assert_eq!(pass(&receiver, &strange), None);
    }
    assert!(pass(&receiver, &sealed).is_some(), "two failures are tolerated");
    assert_eq!(pass(&receiver, &strange), None);
    assert_eq!(*states.lock(), [Ok, DecryptionFailed]);
    assert_eq!(pass(&receiver, &sealed), None, "the key is given up");
    receiving.set_shared_key(0, b"key".to_vec());
    assert!(pass(&receiver, &sealed).is_some());
    assert_eq!(*states.lock(), [Ok, DecryptionFailed, Ok]);
}

#[test]
fn without_a_limit_no_failure_is_one_too_many() {
    let receiver = cryptor(Direction::Receive, &shared(b"key", options()));
    let stranger = cryptor(Direction::Send, &shared(b"another", options()));
    let sender = cryptor(Direction::Send, &shared(b"key", options()));
    let states = states(&receiver);
    for _ in 0..100 {
        assert_eq!(pass(&receiver, &pass(&stranger, b"frame").unwrap()), None);
    }
    assert!(states.lock().is_empty());
    assert!(pass(&receiver, &pass(&sender, b"frame").unwrap()).is_some());
}

#[test]
fn a_receiver_follows_a_sender_that_ratchets() {
    // Real derivations, so that the first frames arrive before they are done. A tolerance of zero must not count those
    // frames.
    let following = KeyProviderOptions { ratchet_window_size: 3, failure_tolerance: 0, ..pbkdf2() };
    let (sending, receiving) = (shared(b"key", pbkdf2()), shared(b"key", following));
    let (sender, receiver) = (cryptor(Direction::Send, &sending), cryptor(Direction::Receive, &receiving));
    let states = states(&receiver);
    sending.ratchet_shared_key(0);
    sending.ratchet_shared_key(0);

    let started = Instant::now();
    let sealed = pass(&sender, b"frame").unwrap();
    while pass(&receiver, &sealed).is_none() {
        assert!(started.elapsed() < PATIENCE, "{:?}", states.lock());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(*states.lock(), [KeyRatcheted, Ok]);
    assert_eq!(receiving.get_key("alice".to_owned(), 0), sending.get_shared_key(0));
}

#[test]
fn a_key_beyond_the_window_stays_unknown() {
    let following = KeyProviderOptions { failure_tolerance: 0, ..with_window(2) };
    let (sending, receiving) = (shared(b"key", options()), shared(b"key", following));
    let (sender, receiver) = (cryptor(Direction::Send, &sending), cryptor(Direction::Receive, &receiving));
    let states = states(&receiver);
    for _ in 0..3 {
        sending.ratchet_shared_key(0);
    }
    let sealed = pass(&sender, b"frame").unwrap();
    let started = Instant::now();
    while states.lock().is_empty() {
        assert_eq!(pass(&receiver, &sealed), None);
        assert!(started.elapsed() < PATIENCE);
    }
    assert_eq!(*states.lock(), [DecryptionFailed]);
    assert_eq!(receiving.get_shared_key(0), Some(b"key".to_vec()));
}

#[test]
fn an_observer_may_call_the_cryptor() {
    let (transceiver, provider) = (audio(), shared(b"key", options()));
    let cryptor = for_sender(&transceiver, &provider);
    let (inner, inner_provider) = (cryptor.clone(), provider.clone());
    cryptor.on_state_change(Some(Box::new(move |_, _| {
        inner_provider.set_shared_key(1, b"more".to_vec());
        inner.set_enabled(false);
        inner.on_state_change(None);
    })));
    assert!(transceiver.sender_transform().unwrap().transform(1, 2, vec![3]).is_some());
    assert!(!cryptor.enabled());
    assert_eq!(provider.get_shared_key(1), Some(b"more".to_vec()));
}

#[test]
fn a_track_stays_encrypted_when_its_cryptor_is_dropped() {
    let (transceiver, provider) = (audio(), shared(b"key", options()));
    let cryptor = for_sender(&transceiver, &provider);
    let (states, record) = recorder();
    cryptor.on_state_change(Some(record));
    let encrypt = || transceiver.sender_transform().unwrap().transform(1, 2, b"frame".to_vec());
    assert_eq!(encrypt().unwrap().len(), 35);

    let clone = cryptor.clone();
    drop(cryptor);
    clone.set_key_index(7);
    assert_eq!(encrypt(), None);
    drop(clone);
    assert_eq!(encrypt(), None);
    provider.set_shared_key(7, b"key".to_vec());
    assert_eq!(encrypt().unwrap().len(), 35);
    assert_eq!(Arc::try_unwrap(states).unwrap().into_inner(), [Ok, MissingKey], "the observer is gone");
}

#[test]
fn a_cryptor_keeps_no_transceiver_alive() {
    let transceiver = audio();
    let provider = shared(b"key", options());
    let cryptors = [for_sender(&transceiver, &provider), for_receiver(&transceiver, &provider)];
    let weak: Weak<Transceiver> = Arc::downgrade(&transceiver);
    drop(transceiver);
    assert!(weak.upgrade().is_none());
    assert!(cryptors[0].enabled());
}

#[test]
fn a_new_cryptor_takes_the_place_of_the_old_one() {
    let transceiver = audio();
    let (old, new) = (shared(b"old", options()), shared(b"new", options()));
    let _old = for_receiver(&transceiver, &old);
    let _new = for_receiver(&transceiver, &new);
    let sealed = pass(&cryptor(Direction::Send, &new), b"frame").unwrap();
    let opened = transceiver.receiver_transform().unwrap().transform(1, 2, sealed);
    assert_eq!(opened.as_deref(), Some(b"frame".as_slice()));
    assert!(transceiver.sender_transform().is_none());
}

#[test]
fn settings_are_given_back_and_shared_by_clones() {
    let cryptor = for_receiver(&transceiver(Kind::Video), &shared(b"key", options()));
    cryptor.clone().set_key_index(3);
    cryptor.clone().set_enabled(false);
    assert_eq!((cryptor.key_index(), cryptor.enabled()), (3, false));
    assert_eq!(cryptor.participant_id(), "alice");
}
