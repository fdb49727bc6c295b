use crate::pieces::Pieces;

use super::*;

const RATE: u32 = 24_000;
const SECOND: usize = RATE as usize;
const FRAME: usize = SECOND / 100;
const TEXT: &str = "one two three four";

fn piece(text: &str) -> Piece {
    let mut pieces = Pieces::new(Default::default());
    let mut all = pieces.push(text);
    all.extend(pieces.finish());
    all.remove(0)
}

fn empty() -> Playout {
    Playout::new(Settings::new(RATE))
}

/// A playout with the first piece of a segment, and this much of its sound.
fn begun(milliseconds: usize) -> Playout {
    let mut playout = empty();
    playout.begin(7, piece(TEXT));
    add(&mut playout, milliseconds);
    playout
}

/// A playout with a piece of a second.
fn whole() -> Playout {
    let mut playout = begun(1000);
    playout.whole();
    playout
}

fn add(playout: &mut Playout, milliseconds: usize) {
    playout.add(&vec![1000; SECOND * milliseconds / 1000]);
}

/// Up to this many frames, until there is none.
fn play(playout: &mut Playout, frames: usize) -> Vec<i16> {
    let mut sound = Vec::new();
    let mut frame = [0; FRAME];
    for _ in 0..frames {
        if !playout.next(&mut frame) {
            break;
        }
        sound.extend(frame);
    }
    sound
}

/// The largest step between two samples, silence before and after them included.
fn step(sound: &[i16]) -> u16 {
    let edges = [0].into_iter().chain(sound.iter().copied()).chain([0]);
    edges.clone().zip(edges.skip(1)).map(|(one, next)| one.abs_diff(next)).max().unwrap()
}

#[test]
fn half_the_sound_is_half_the_words() {
    let mut playout = whole();
    assert_eq!(play(&mut playout, 50).len(), SECOND / 2);
    assert_eq!(playout.heard(7), "one two ".len());
    assert_eq!((playout.sounded(7), playout.sounded(8)), (Duration::from_millis(500), Duration::ZERO));
    assert!(playout.has_begun(7) && !playout.is_played(7));
    play(&mut playout, 100);
    assert_eq!(playout.heard(7), TEXT.len());
    assert!(playout.is_played(7));
}

#[test]
fn what_was_heard_never_shrinks_while_more_sound_comes() {
    let mut playout = begun(1000);
    let (mut last, mut frame) = (0, [0; FRAME]);
    for _ in 0..400 {
        playout.next(&mut frame);
        add(&mut playout, 11);
        let heard = playout.heard(7);
        assert!(heard >= last && heard < TEXT.len(), "{heard} after {last}, and more is to come");
        last = heard;
    }
    assert!(last > 0);
}

#[test]
fn the_voice_is_known_by_its_first_piece() {
    for (length, heard) in [(1000, "one two three "), (2000, "one ")] {
        let mut playout = begun(length);
        playout.whole();
        play(&mut playout, 1000);
        playout.begin(7, piece(TEXT));
        add(&mut playout, 700);
        assert_eq!(play(&mut playout, 65).len(), 65 * FRAME);
        assert_eq!(playout.heard(7), heard.len(), "of a voice that takes {length} ms");
    }
}

#[test]
fn a_piece_that_broke_off_was_not_heard_whole() {
    let mut playout = begun(400);
    playout.broken();
    play(&mut playout, 100);
    assert!(playout.is_played(7));
    assert!((1..TEXT.len() / 2).contains(&playout.heard(7)), "{}", playout.heard(7));
}

#[test]
fn a_hold_fades_and_loses_no_sample() {
    let mut playout = whole();
    let mut sound = play(&mut playout, 10);
    playout.hold(Hold::Speech);
    let faded = play(&mut playout, 5);
    assert_eq!(faded.len(), FRAME);
    playout.release(Hold::Speech);
    let rest = play(&mut playout, 200);
    assert_eq!(sound.len() + rest.len(), SECOND);
    sound.extend(faded.into_iter().chain(rest));
    assert!(step(&sound) <= 9, "it clicks by {}", step(&sound));
}

#[test]
fn sound_goes_on_when_the_last_hold_is_over() {
    let mut playout = whole();
    playout.hold(Hold::Speech);
    playout.hold(Hold::Line);
    playout.release(Hold::Speech);
    assert!(play(&mut playout, 1).is_empty() && !playout.is_dry());
    playout.release(Hold::Line);
    assert_eq!(play(&mut playout, 200).len(), SECOND);
}

#[test]
fn a_cut_leaves_one_frame_that_fades() {
    let mut playout = whole();
    play(&mut playout, 50);
    playout.clear();
    let last = play(&mut playout, 5);
    assert_eq!(last.len(), FRAME);
    assert!(last[0] > 990 && last[FRAME - 1] == 0);
    assert_eq!(playout.heard(7), 0, "a cut segment is forgotten");
}

#[test]
fn a_cut_during_a_hold_is_silent_and_ends_the_hold_of_speech() {
    let mut playout = whole();
    play(&mut playout, 50);
    playout.hold(Hold::Speech);
    assert_eq!(play(&mut playout, 2).len(), FRAME);
    playout.clear();
    assert!(play(&mut playout, 2).is_empty());
    playout.begin(8, piece("again"));
    add(&mut playout, 100);
    assert_eq!(play(&mut playout, 5).len(), 5 * FRAME);
}

#[test]
fn sound_begins_once_100_ms_of_it_wait() {
    let mut playout = begun(99);
    assert!(play(&mut playout, 1).is_empty() && !playout.has_begun(7));
    add(&mut playout, 1);
    assert!(!play(&mut playout, 1).is_empty() && playout.has_begun(7));
}

#[test]
fn a_piece_that_is_whole_waits_for_no_more() {
    let mut playout = begun(15);
    playout.whole();
    assert_eq!(play(&mut playout, 5).len(), 2 * FRAME);
    assert!(playout.is_played(7));
}

#[test]
fn sound_that_runs_dry_fades_and_waits_for_twice_as_much() {
    let mut playout = begun(100);
    let first = play(&mut playout, 100);
    assert_eq!(first.len(), 10 * FRAME);
    assert!(step(&first) <= 9, "it clicks by {}", step(&first));
    add(&mut playout, 199);
    assert!(play(&mut playout, 1).is_empty() && playout.is_dry());
    add(&mut playout, 1);
    let next = play(&mut playout, 100);
    assert_eq!(next.len(), 20 * FRAME);
    assert!(step(&next) <= 9, "it clicks by {}", step(&next));
    for awaited in [400, 800, 1600, 2000, 2000] {
        add(&mut playout, awaited - 1);
        assert!(play(&mut playout, 1).is_empty(), "{awaited}");
        add(&mut playout, 1);
        assert_eq!(play(&mut playout, 1000).len(), awaited / 10 * FRAME);
    }
}

#[test]
fn each_segment_begins_anew() {
    let mut playout = begun(100);
    play(&mut playout, 100);
    playout.whole();
    playout.forget(7);
    playout.begin(8, piece(TEXT));
    add(&mut playout, 100);
    assert_eq!(play(&mut playout, 1).len(), FRAME);
}

#[test]
fn a_stall_of_200_ms_makes_no_gap_where_300_ms_wait() {
    let mut playout = begun(300);
    assert_eq!(play(&mut playout, 20).len(), 20 * FRAME);
    add(&mut playout, 300);
    let rest = play(&mut playout, 20);
    assert!(rest.len() == 20 * FRAME && rest.iter().all(|sample| *sample == 1000));
}

#[test]
fn pieces_join_without_a_click() {
    let mut playout = begun(105);
    playout.whole();
    playout.begin(7, piece(TEXT));
    add(&mut playout, 105);
    playout.whole();
    let sound = play(&mut playout, 100);
    assert_eq!(sound.len(), 21 * FRAME);
    assert!(step(&sound) <= 9, "it clicks by {}", step(&sound));
}

#[test]
fn no_more_is_taken_than_two_seconds() {
    let mut playout = begun(1999);
    assert!(playout.has_room());
    add(&mut playout, 1);
    assert!(!playout.has_room());
}

#[test]
fn a_piece_without_sound_is_heard_once_its_turn_comes() {
    let mut playout = whole();
    let mut silent = piece("ok");
    silent.source = TEXT.len()..TEXT.len() + 4;
    playout.begin(7, silent);
    playout.whole();
    play(&mut playout, 99);
    assert!(playout.heard(7) <= TEXT.len() && !playout.is_played(7));
    play(&mut playout, 1);
    assert_eq!(playout.heard(7), TEXT.len() + 4);
    assert!(playout.is_played(7));
}
