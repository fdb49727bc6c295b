"""Reads what is said in files of 16-bit mono at 16 kHz, and prints a line of text for each."""

import sys

from pocketsphinx import Decoder

decoder = Decoder(samprate=16000, loglevel="FATAL")
for path in sys.argv[1:]:
    with open(path, "rb") as pcm:
        speech = pcm.read()
    decoder.start_utt()
    # It does not take a file without a sample.
    if speech:
        decoder.process_raw(speech, full_utt=True)
    decoder.end_utt()
    print(decoder.hyp().hypstr if decoder.hyp() else "", flush=True)
