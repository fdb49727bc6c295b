use super::*;

const RATES: [u32; 7] = [8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

fn tone(hertz: f64, rate: u32, seconds: f64) -> Vec<f32> {
    let samples = (f64::from(rate) * seconds) as usize;
    let turn = std::f64::consts::TAU * hertz / f64::from(rate);
    (0..samples).map(|at| (0.5 * (turn * at as f64).sin()) as f32).collect()
}

/// The whole of a sound, pushed in frames of these lengths in turn.
fn resampled<S: Sample>(input: &[S], from: u32, to: u32, frames: &[usize]) -> Vec<S> {
    let mut resampler = Resampler::new(from, to).unwrap();
    let (mut rest, mut output) = (input, Vec::new());
    for length in frames.iter().cycle() {
        let (frame, left) = rest.split_at(rest.len().min(*length));
        resampler.push(frame, &mut output);
        rest = left;
        if rest.is_empty() {
            break;
        }
    }
    resampler.finish(&mut output);
    output
}

fn decibels(of: impl Iterator<Item = f32>) -> f64 {
    let (sum, count) =
        of.fold((0.0, 0.0), |(sum, count), value| (sum + f64::from(value).powi(2), count + 1.0));
    10.0 * (sum / count).max(1e-20).log10()
}

#[test]
fn a_tone_stays_that_tone_between_all_sample_rates() {
    for (from, to) in RATES.iter().flat_map(|from| RATES.map(|to| (*from, to))) {
        let output = resampled(&tone(1000.0, from, 0.5), from, to, &[480]);
        let expected = tone(1000.0, to, 0.5);
        // At the ends the tone is cut off, and a cut has all frequencies.
        let inner = 400..expected.len().min(output.len()) - 400;
        let errors = inner.map(|at| output[at] - expected[at]);
        assert!(decibels(errors) < -75.0, "{from} to {to}: the error is that large");
    }
}

#[test]
fn output_is_as_long_as_the_input_to_the_sample() {
    for (from, to) in RATES.iter().flat_map(|from| RATES.map(|to| (*from, to))) {
        for samples in [1_usize, 7, 441, 5000] {
            let expected = (samples as u64 * u64::from(to)).div_ceil(u64::from(from));
            assert_eq!(
                resampled(&vec![0.5; samples], from, to, &[160]).len() as u64,
                expected,
                "{from} to {to}"
            );
        }
    }
}

#[test]
fn output_does_not_depend_on_how_the_input_is_cut() {
    for (from, to) in [(48_000, 16_000), (44_100, 16_000), (8_000, 16_000), (22_050, 48_000)] {
        let input = tone(300.0, from, 0.3);
        let whole = resampled(&input, from, to, &[input.len()]);
        for frames in [&[1][..], &[160, 3, 960], &[441]] {
            assert_eq!(resampled(&input, from, to, frames), whole, "{from} to {to} in {frames:?}");
        }
    }
}

#[test]
fn what_the_lower_rate_cannot_carry_is_gone() {
    for (from, to, hertz) in [(48_000, 16_000, 9_000.0), (44_100, 8_000, 5_000.0), (24_000, 16_000, 8_800.0)]
    {
        let output = resampled(&tone(hertz, from, 0.5), from, to, &[480]);
        let left = decibels(output[400..output.len() - 400].iter().copied());
        assert!(left < -65.0, "{left} dB of {hertz} Hz are left from {from} to {to}");
    }
}

#[test]
fn images_of_a_lower_rate_are_gone() {
    let output = resampled(&tone(3_000.0, 8_000, 0.5), 8_000, 48_000, &[160]);
    let expected = tone(3_000.0, 48_000, 0.5);
    let errors = (2_000..output.len() - 2_000).map(|at| output[at] - expected[at]);
    assert!(decibels(errors) < -65.0);
}

#[test]
fn constant_sound_stays_constant_and_loud_sound_does_not_wrap() {
    let output = resampled(&[16_000_i16; 4_800], 48_000, 16_000, &[480]);
    assert!(output[100..1500].iter().all(|sample| (15_995..=16_005).contains(sample)));
    let square: Vec<i16> = (0..4_800).map(|at| if at / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let output = resampled(&square, 48_000, 24_000, &[480]);
    let jumps = output.windows(2).filter(|pair| pair[0] > 20_000 && pair[1] < -20_000);
    assert!(jumps.count() <= 60, "an overflow would jump more often than the square wave");
}

#[test]
fn a_finished_resampler_begins_anew() {
    let mut resampler = Resampler::new(24_000, 48_000).unwrap();
    let input = tone(500.0, 24_000, 0.1);
    let once = |resampler: &mut Resampler| {
        let mut output = Vec::new();
        resampler.push(&input, &mut output);
        resampler.finish(&mut output);
        output
    };
    assert_eq!(once(&mut resampler), once(&mut resampler));
}

#[test]
fn rates_without_a_short_ratio_are_refused() {
    let error = Resampler::new(44_101, 16_000).err().unwrap();
    assert!(error.to_string().starts_with("cannot resample from 44101 to 16000 Hz"), "{error}");
    assert!(Resampler::new(0, 16_000).is_err() && Resampler::new(16_000, 400_000).is_err());
}

#[test]
fn stereo_becomes_the_mean_of_its_channels() {
    let mut mono = vec![1];
    mix_stereo(&[100, 300, i16::MAX, i16::MAX, i16::MIN, i16::MIN, -5, 5], &mut mono);
    assert_eq!(mono, [1, 200, i16::MAX, i16::MIN, 0]);
}
