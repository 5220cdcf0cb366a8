"""Speed of the codecs: `python3 -m bench.codecs [NAME ...]`, as multiples of real time.

120 times real time means that an hour of one side of a call takes 30 s of one core. CPU time of the best of several
runs: whatever else the machine does can only make a run slower. The signal is voice-like (harmonics whose pitch and
level wander, pauses, some noise), as some codecs take longer for loud signals than for silence.
"""

from __future__ import annotations

import argparse
import math
import platform
import random
import time
from array import array
from collections.abc import Callable

from rtpp.codecs import adpcm, g711, g722, g729, gsm, ima_adpcm, libgsm, ms_adpcm

RATE = 8000
RUNS = 7
Encode = Callable[["array[int]"], bytes]
Decode = Callable[[bytes], "array[int]"]


def voice(seconds: float) -> array[int]:
    """Samples at 8 kHz; the same each time."""
    draw = random.Random(1)
    samples = array("h")
    phase = 0.0
    while len(samples) < seconds * RATE:
        pitch, level = draw.uniform(80, 250), draw.choice((0, 1000, 4000, 12000))
        weights = [draw.random() for _ in range(6)]
        for _ in range(draw.randrange(400, 2400)):
            phase += 2 * math.pi * pitch / RATE
            value = sum(weight * math.sin(n * phase) for n, weight in enumerate(weights, 1))
            samples.append(int(max(-32768, min(32767, level * value + draw.gauss(0, 30)))))
    return samples[: int(seconds * RATE)]


def coders() -> dict[str, tuple[Callable[[], Encode], Callable[[], Decode]]]:
    """What makes a fresh coder and decoder of each codec."""
    known: dict[str, tuple[Callable[[], Encode], Callable[[], Decode]]] = {
        "mu-law": (lambda: g711.encode_ulaw, lambda: g711.decode_ulaw),
        "A-law": (lambda: g711.encode_alaw, lambda: g711.decode_alaw),
        "gsm": (lambda: gsm.Encoder().encode, lambda: gsm.Decoder().decode),
        "gsm-wav": (lambda: gsm.BlockEncoder().encode, lambda: gsm.BlockDecoder().decode),
        "g722": (lambda: g722.Encoder().encode, lambda: g722.Decoder().decode),
        "ms-adpcm": (
            lambda: ms_adpcm.Encoder(1).encode,
            lambda: ms_adpcm.Decoder(1, adpcm.BLOCK_BYTES).decode,
        ),
        "ima-adpcm": (
            lambda: ima_adpcm.Encoder(1).encode,
            lambda: ima_adpcm.Decoder(1, adpcm.BLOCK_BYTES).decode,
        ),
    }
    if libgsm.library():
        known["libgsm"] = (gsm.encoder, gsm.decoder)
        known["libgsm-wav"] = (gsm.block_encoder, gsm.block_decoder)
    if g729.available():
        known["g729"] = (lambda: g729.Encoder().encode, lambda: g729.Decoder().decode)
    return known


def best_time(make: Callable[[], Callable[[], object]]) -> float:
    """CPU seconds of the fastest of RUNS runs, each with a coder of its own."""
    times = []
    for _ in range(RUNS):
        run = make()
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return min(times)


def measure(samples: array[int], new_encoder: Callable[[], Encode], new_decoder: Callable[[], Decode]) -> str:
    """Both multiples of real time."""

    def encoding() -> Callable[[], object]:
        encode = new_encoder()
        return lambda: encode(samples)

    def decoding() -> Callable[[], object]:
        decode = new_decoder()
        return lambda: decode(code)

    code = new_encoder()(samples)
    seconds = len(samples) / RATE
    return f"{seconds / best_time(encoding):10,.0f} {seconds / best_time(decoding):10,.0f}"


def main() -> None:
    known = coders()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--seconds", type=float, default=4, help="of audio (default: 4)")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"no such codec: {', '.join(unknown)}")
    samples = voice(options.seconds)
    print(f"times real time, one core, {platform.python_implementation()} {platform.python_version()}, best of {RUNS}")
    print(f"{'':10} {'encode':>10} {'decode':>10}")
    for name in options.names or known:
        print(f"{name:10} {measure(samples, *known[name])}", flush=True)


if __name__ == "__main__":
    main()
