"""A speech server for tests and the demo, with OpenAI's endpoints: flite speaks, pocketsphinx listens.

  POST /v1/audio/speech          {"model", "input", "voice", "response_format": "pcm" (24 kHz) | "wav", "speed"}
  POST /v1/audio/transcriptions  multipart: file (WAV, 16-bit PCM), model, response_format: "json" | "text"
  GET  /v1/models

The first line on stdout is `listening on http://ADDRESS/v1`. Needs the program `flite`, and the packages `pocketsphinx`
and `numpy`. A grammar (JSGF) makes the recogniser exact for its sentences, and then it always answers with one of them.
"""

import argparse
import io
import json
import math
import queue
import signal
import subprocess
import sys
import tempfile
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy
from pocketsphinx import Decoder

MAX_REQUEST_BYTES = 16 << 20
# Longer texts and audio would hold a decoder for minutes.
MAX_CHARACTERS = 4096
MAX_SECONDS = 120
SPEECH_RATE = 24000
RECOGNISED_RATE = 16000
# Voices of flite that pocketsphinx understands; others are spoken with the first.
VOICES = ["slt", "rms", "kal16", "awb"]
# The audio of one chunk.
CHUNK_SECONDS = 0.1


class Refusal(Exception):
    """An answer with a status other than 200."""

    def __init__(self, status, message, code="invalid_request"):
        super().__init__(message)
        self.status, self.code = status, code


class Ear:
    """Recognisers, each of which serves one request at a time."""

    def __init__(self, count, grammar):
        self.decoders = queue.Queue()
        options = {"jsgf": grammar, "lm": None} if grammar else {}
        for _ in range(count):
            self.decoders.put(Decoder(samprate=RECOGNISED_RATE, loglevel="FATAL", **options))

    def hear(self, samples):
        # It does not take audio without a sample, and calls silence a word or two.
        if samples.size == 0 or numpy.abs(samples).max() < 200:
            return ""
        decoder = self.decoders.get()
        try:
            decoder.start_utt()
            decoder.process_raw(samples.astype("<i2").tobytes(), full_utt=True)
            decoder.end_utt()
            return decoder.hyp().hypstr if decoder.hyp() else ""
        finally:
            self.decoders.put(decoder)


def resampled(samples, rate, wanted):
    """By a windowed sinc, between any two rates."""
    if rate == wanted or samples.size == 0:
        return samples
    common = math.gcd(rate, wanted)
    up, down = wanted // common, rate // common
    reach = 16 * max(up, down)
    at = numpy.arange(-reach, reach + 1)
    low_pass = numpy.sinc(at / max(up, down)) * numpy.kaiser(at.size, 8.0) * up / max(up, down)
    spread = numpy.zeros(samples.size * up)
    spread[::up] = samples
    filtered = numpy.convolve(spread, low_pass)[reach:reach + spread.size:down]
    return numpy.clip(filtered, -32768, 32767)


def read_wav(data):
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getsampwidth() != 2:
                raise Refusal(400, "The audio file has other samples than 16-bit PCM.")
            rate, channels = file.getframerate(), file.getnchannels()
            if file.getnframes() > rate * MAX_SECONDS:
                raise Refusal(413, f"The audio is longer than {MAX_SECONDS} s.")
            samples = numpy.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(float)
    except (wave.Error, EOFError) as error:
        raise Refusal(400, f"The audio file is no WAV file: {error}") from error
    return samples.reshape(-1, channels).mean(axis=1), rate


def spoken(text, voice, speed):
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={1 / speed}", "-t", text, "-o", file.name]
        subprocess.run(command, check=True, timeout=30, stdout=subprocess.DEVNULL)
        samples, rate = read_wav(file.read())
    return resampled(samples, rate, SPEECH_RATE).astype("<i2").tobytes()


def wav_file(samples):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SPEECH_RATE)
        out.writeframes(samples)
    return file.getvalue()


def form(content_type, body):
    """The fields of a multipart form."""
    if not content_type.startswith("multipart/form-data") or "boundary=" not in content_type:
        raise Refusal(400, "The request is no multipart form.")
    boundary = b"--" + content_type.split("boundary=")[1].split(";")[0].strip('"').encode()
    fields = {}
    for part in (b"\r\n" + body).split(b"\r\n" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = head.decode("utf-8", "replace").partition('name="')[2].split('"')[0]
        fields[name] = content
    return fields


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are separate writes, which would wait for each other's acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self):
        models = [{"id": name, "object": "model", "owned_by": "speechd"} for name in ("flite", "pocketsphinx")]
        self.dispatch({"/v1/models": lambda body: self.json(200, {"object": "list", "data": models})})

    def do_POST(self):
        self.dispatch({"/v1/audio/speech": self.speech, "/v1/audio/transcriptions": self.transcription})

    def dispatch(self, routes):
        try:
            length = int(self.headers.get("content-length", 0))
            if length > MAX_REQUEST_BYTES:
                self.close_connection = True
                raise Refusal(413, "The request is too large.")
            body = self.rfile.read(length)
            if self.path not in routes:
                raise Refusal(404, f"There is no {self.path}.", "not_found")
            routes[self.path](body)
        except Refusal as refusal:
            self.json(refusal.status, {"error": {"message": str(refusal), "code": refusal.code}})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def speech(self, body):
        try:
            asked = json.loads(body)
            text, speed = asked["input"], min(max(float(asked.get("speed", 1)), 0.25), 4)
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal(400, f"The request is no request for speech: {error!r}") from error
        if not isinstance(text, str) or not 0 < len(text) <= MAX_CHARACTERS:
            raise Refusal(400, f"'input' is no text of 1 to {MAX_CHARACTERS} characters.")
        form = asked.get("response_format", "pcm")
        if form not in ("pcm", "wav"):
            raise Refusal(400, f"response_format '{form}' is not served; pcm and wav are.")
        voice = asked.get("voice") if asked.get("voice") in VOICES else VOICES[0]
        samples = spoken(text, voice, speed)
        if form == "wav":
            return self.answer(200, "audio/wav", wav_file(samples))
        self.send_response(200)
        self.send_header("content-type", f"audio/pcm; rate={SPEECH_RATE}")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        size = int(SPEECH_RATE * CHUNK_SECONDS) * 2
        for start in range(0, len(samples), size):
            piece = samples[start:start + size]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def transcription(self, body):
        fields = form(self.headers.get("content-type", ""), body)
        if "file" not in fields:
            raise Refusal(400, "Missing required parameter: 'file'.")
        samples, rate = read_wav(fields["file"])
        text = self.server.ear.hear(resampled(samples, rate, RECOGNISED_RATE))
        if fields.get("response_format") == b"text":
            return self.answer(200, "text/plain; charset=utf-8", text.encode())
        seconds = math.ceil(samples.size / rate)
        self.json(200, {"text": text, "usage": {"type": "duration", "seconds": seconds}})

    def json(self, status, value):
        self.answer(status, "application/json", json.dumps(value).encode())

    def answer(self, status, content_type, body):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        """Requests hold what people say."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--decoders", type=int, default=1, help="utterances that are recognised at the same time")
    parser.add_argument("--grammar", help="a JSGF file of the sentences that are said")
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    server.daemon_threads = True
    server.ear = Ear(arguments.decoders, arguments.grammar)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"listening on http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
