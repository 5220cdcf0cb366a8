"""A call between two phones, through the proxy, told step by step.

    python3 -m demo [--keep] [DIRECTORY]

The demo plays the SIP server: it sends the commands that Kamailio or another one would send, and prints them. Alice is
behind a NAT: her phone says that it receives at an address that nobody outside can reach. All addresses are
loopback addresses, so no packet leaves this host. With --keep the call goes on until Ctrl-C. The files stay in
DIRECTORY, build/demo by default. Exit status 0: everybody heard what was to be heard.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import socket
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import Callable

from demo.phone import RATE, Phone, tone

SOURCES = Path(__file__).resolve().parent.parent
PATIENCE = 10.0  # seconds
CALL, ALICE, BOB = "demo-call", "alice", "bob"
ALICE_SAYS = ("127.10.0.7", 4000)  # her address at home, where nobody can reach her


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo", description="A call through rtpproxy, told step by step.")
    parser.add_argument("--keep", action="store_true", help="the call goes on until Ctrl-C")
    parser.add_argument("directory", nargs="?", type=Path, default=SOURCES / "build" / "demo")
    options = parser.parse_args()
    directory = options.directory.resolve()
    shutil.rmtree(directory / "recordings", ignore_errors=True)
    (directory / "recordings").mkdir(parents=True)
    page = f"127.0.0.1:{free_port()}"
    with (directory / "rtpproxy.log").open("wb") as log:
        port = free_port()
        proxy = start_proxy(directory, port, page, log.fileno())
        alice = Phone("Alice", "127.0.0.11", 400, ssrc=0xA11CE)
        bob = Phone("Bob", "127.0.0.22", 650, ssrc=0xB0B)
        try:
            with Control(port) as control:
                call(control, alice, bob, directory, page, options.keep)
            listen_to_recording(directory)
        finally:
            alice.hang_up()
            bob.hang_up()
            proxy.terminate()
            proxy.wait()
    say(f"The proxy's log of the call is in {directory}/rtpproxy.log")
    return 0


def start_proxy(directory: Path, port: int, page: str, log: int) -> subprocess.Popen[bytes]:
    options = ["-f", "-F", "-l", "127.0.0.1", "-s", f"tcp:127.0.0.1:{port}", "-p", f"{directory}/pid",
               "-r", f"{directory}/recordings", "-m", "35000", "-M", "35100", "--http", page]
    (directory / "pid").unlink(missing_ok=True)
    step("Start the proxy", f"rtpproxy {' '.join(options)}")
    proxy = subprocess.Popen([sys.executable, SOURCES / "rtpproxy.py", *options], stderr=log,
                             start_new_session=True)  # Ctrl-C is for the demo only
    wait_until(lambda: (directory / "pid").exists() or proxy.poll() is not None, "the proxy serves")
    if proxy.poll() is not None:
        sys.exit(f"The proxy has ended; why is in {directory}/rtpproxy.log")
    say(f"Its status page: http://{page}/")
    return proxy


def call(control: Control, alice: Phone, bob: Phone, directory: Path, page: str, keep: bool) -> None:
    """All that happens while the call lasts."""
    step("Alice calls Bob", f"her phone says it receives at {ALICE_SAYS[0]}:{ALICE_SAYS[1]}; that is behind her NAT, "
                            f"and from outside she is {alice.address}")
    reply = control.ask(f"U {CALL} {ALICE_SAYS[0]} {ALICE_SAYS[1]} {ALICE}")
    say("The SIP server tells Bob to send to this port, instead of to Alice's address")
    bob.send_to = port_in(reply)

    step("Bob answers", f"his phone says it receives at {bob.address}")
    reply = control.ask(f"L {CALL} {bob.address.replace(':', ' ')} {ALICE} {BOB}")
    say("The SIP server tells Alice to send to this port")
    control.ask(f"R {CALL} {ALICE} {BOB}")
    control.ask(f"R {CALL} {BOB} {ALICE}")
    say("and from now on both are recorded")

    step("They talk", "she sends a tone of 400 Hz, he one of 650 Hz")
    time.sleep(0.3)
    say(f"Bob alone has sent for 0.3 s. Alice heard {alice.heard[bob.ssrc]} packets: they went to where nobody is")
    alice.send_to = port_in(reply)
    wait_until(lambda: alice.heard[bob.ssrc] > 50 and bob.heard[alice.ssrc] > 50, "they hear each other")
    say(f"Her first packet showed where she really is. Now Alice hears Bob ({alice.heard[bob.ssrc]} packets), and Bob "
        f"hears Alice ({bob.heard[alice.ssrc]})")

    step("Alice hears a prompt", "a chime, made for every codec by makeann")
    make_chime(directory / "chime.wav")
    run("-m", "rtpp.tools.makeann", str(directory / "chime.wav"), str(directory / "chime"))
    others = sum(alice.heard.values()) - alice.heard[bob.ssrc]
    control.ask(f"P1 {CALL} {directory}/chime 0 {ALICE} {BOB}")
    wait_until(lambda: sum(alice.heard.values()) - alice.heard[bob.ssrc] >= others + 50, "Alice hears the prompt")
    say(f"She heard {sum(alice.heard.values()) - alice.heard[bob.ssrc] - others} packets of it, instead of Bob's")
    if keep:
        go_on(control, page)

    step("They hang up", "the counters first: seconds left to live, packets from Alice, from Bob, relayed, dropped")
    control.ask(f"Q {CALL} {ALICE} {BOB}")
    control.ask(f"D {CALL} {ALICE} {BOB}")


def go_on(control: Control, page: str) -> None:
    step("The call goes on until you press Ctrl-C", f"look at it: rtppctl -s tcp:127.0.0.1:{control.port} watch   or   "
                                                         f"http://{page}/")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored in the background
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()


def listen_to_recording(directory: Path) -> None:
    recording = f"{directory}/recordings/{CALL}={ALICE}"
    step("Make audio of the recording", f"extractaudio -s -D pcm_16 {recording} {directory}/call.wav")
    wait_until(lambda: all(Path(f"{recording}.{side}.rtp").exists() for side in "ao"), "both sides are on the disk")
    run("-m", "rtpp.tools.extractaudio", "-s", "-D", "pcm_16", recording, f"{directory}/call.wav")
    with wave.open(f"{directory}/call.wav") as audio:
        seconds = audio.getnframes() / audio.getframerate()
        say(f"{directory}/call.wav: {seconds:.1f} s, {audio.getnchannels()} channels, one for each party")


class Control:
    """The control protocol: a command is a line, and so is its reply."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._lines = self._socket.makefile("rw", newline="\n")

    def ask(self, command: str) -> str:
        self._lines.write(command + "\n")
        self._lines.flush()
        reply = self._lines.readline().rstrip("\n")
        print(f"      > {command}\n      < {reply}", flush=True)
        if reply.startswith("E"):
            sys.exit(f"The proxy refuses with {reply}: rtpproxy(8) says what that means")
        return reply

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()


def port_in(reply: str) -> tuple[str, int]:
    """Where to send to, from the reply to U or L: `35042 127.0.0.1`."""
    port, address = reply.split()
    return address, int(port)


def make_chime(path: Path) -> None:
    """Two notes, a second in all."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for frequency in (880, 660):
            file.writeframes(tone(frequency, RATE // 2).tobytes())


def run(*arguments: str) -> str:
    """What a program of ours prints; the demo ends if it fails."""
    done = subprocess.run([sys.executable, *arguments], cwd=SOURCES, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} fails: {done.stderr}")
    return done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"After {PATIENCE:.0f} s it is still not so that {what}")
        time.sleep(0.01)


def step(title: str, explanation: str) -> None:
    print(f"\n{title}\n    {explanation}", flush=True)


def say(text: str) -> None:
    print(f"    {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
