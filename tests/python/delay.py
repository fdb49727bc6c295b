"""The delay from mouth to ear, for `bench/voice.sh`.

  delay.py make RATE SECONDS FILE     writes FILE.pcm (16-bit mono): chirps over FILE.wav, which is speech at 16 kHz
  delay.py measure RATE SAID HEARD    finds the chirps of SAID in HEARD, and prints a line of JSON with the delays in ms

SAID and HEARD are files of `voice.py` without their extensions. A sample counts as said when its frame was handed to the
SDK, plus its place in the frame, and as heard likewise: both ends of the way have the same clock.
"""

import json
import sys
import wave

import numpy

EVERY = 0.5
LENGTH = 0.02
FIRST = 1.0
SPEECH_GAIN = 0.2
CHIRP_GAIN = 0.5
# A chirp is looked for from its capture until the next one, and counts when it is that similar.
SIMILAR = 0.5


def chirp(rate: int) -> numpy.ndarray:
    time = numpy.arange(int(rate * LENGTH)) / rate
    phase = 2 * numpy.pi * (500 * time + (5000 - 500) / (2 * LENGTH) * time**2)
    return numpy.hanning(len(time)) * numpy.sin(phase)


def places(rate: int, samples: int) -> range:
    return range(int(rate * FIRST), samples - int(rate * EVERY), int(rate * EVERY))


def make(rate: int, seconds: int, file: str) -> None:
    with wave.open(f"{file}.wav") as wav:
        speech = numpy.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2") / 32768
        factor = rate / wav.getframerate()
    # Text keeps the codec and the jitter buffer from taking the pauses for silence.
    speech = numpy.interp(numpy.arange(int(len(speech) * factor)) / factor, numpy.arange(len(speech)), speech)
    sound = SPEECH_GAIN * numpy.resize(speech, rate * seconds)
    mark = chirp(rate)
    for place in places(rate, len(sound)):
        sound[place : place + len(mark)] *= 0.25
        sound[place : place + len(mark)] += CHIRP_GAIN * mark
    (sound.clip(-1, 1) * 32767).astype("<i2").tofile(f"{file}.pcm")


class Recording:
    def __init__(self, rate: int, file: str) -> None:
        self.rate = rate
        self.times, self.positions = numpy.loadtxt(f"{file}.times", dtype=numpy.int64, ndmin=2).T

    def time(self, position: int) -> float:
        """When the sample came by, in seconds."""
        frame = numpy.searchsorted(self.positions, position, side="right") - 1
        return self.times[frame] / 1e9 + (position - self.positions[frame]) / self.rate

    def position(self, time: float) -> int:
        frame = numpy.searchsorted(self.times, int(time * 1e9))
        return int(self.positions[min(frame, len(self.positions) - 1)])


def measure(rate: int, said: str, heard: str) -> None:
    sent, came = Recording(rate, said), Recording(rate, heard)
    sound = numpy.fromfile(f"{heard}.pcm", dtype="<i2").astype(float)
    mark = chirp(rate)
    delays, sought = [], 0
    for place in places(rate, int(sent.positions[-1])):
        sought += 1
        start = sent.time(place)
        first = came.position(start)
        part = sound[first : came.position(start + EVERY * 0.98) + len(mark)]
        if len(part) <= len(mark):
            continue
        energy = numpy.convolve(part**2, numpy.ones(len(mark)), "valid").clip(1e5)
        similarity = numpy.correlate(part, mark, "valid") / numpy.sqrt(energy * (mark**2).sum())
        best = int(abs(similarity).argmax())
        if abs(similarity[best]) >= SIMILAR:
            delays.append(1e3 * (came.time(first + best) - start))
    figures = {"sought": sought, "found": len(delays)}
    if delays:
        median, high = numpy.percentile(delays, [50, 90])
        figures |= {"median": round(float(median), 1), "p90": round(float(high), 1)}
    print(json.dumps(figures))


if sys.argv[1] == "make":
    make(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
else:
    measure(int(sys.argv[2]), sys.argv[3], sys.argv[4])
