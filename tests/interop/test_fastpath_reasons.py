"""What brings a stream back from the kernel, and that nothing is lost by it."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

from tests.interop.rig.namespaces import CALLEE, CALLER
from tests.interop.rig.proxyhost import BRIDGES, EAGER, HostsTest, ProxyOnHost, rtp
from tests.interop.rig.tools import wait_for

# name -> command that needs a stream in user space, how many streams stay in the kernel, and the command that ends it
REASONS = {
    "recording of the caller": ("R {call} from to", 1, "N {call} from to"),
    "recording of the callee": ("R {call} to from", 1, "N {call} to from"),
    "copy": ("C {call} udp:127.0.0.1:9 from to", 1, "N {call} from to"),
    "prompt to the callee": ("P-1 {call} {prompt} 0 to from", 1, "S {call} to from"),
}


class ReasonsTest(HostsTest):
    def start(self, *options: str) -> ProxyOnHost:
        return self.proxy("--fastpath", "on", *BRIDGES["IPv4"][0], *options, program=EAGER)

    def test_commands(self) -> None:
        folder = self.enter_folder()
        Path(folder, "prompt.0").write_bytes(b"\xff" * 1600)
        proxy = self.start("-r", folder)
        for number, (reason, (begin, stay, end)) in enumerate(REASONS.items()):
            with self.subTest(reason):
                call = self.call(proxy, name=f"call{number}")
                names = {"call": f"call{number}", "prompt": f"{folder}/prompt"}
                packet = self.settle(proxy, call)
                self.assertEqual(proxy.say(begin.format(**names)), "0")
                if "prompt" in reason:
                    self.listen_to_prompt(call)
                else:
                    self.talk(call, range(packet, packet + 20))
                self.assertEqual(proxy.fast, stay)
                self.assertEqual(proxy.say(end.format(**names)), "0")
                self.drain(call)
                self.settle(proxy, call, packet + 20)
                self.assertEqual(proxy.say(f"D call{number} from to"), "0")
                self.assertEqual(proxy.fast, 0)
        self.assertEqual(proxy.stop(), 0)

    def enter_folder(self) -> str:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    def listen_to_prompt(self, call: tuple[socket.socket, tuple[str, int], socket.socket, tuple[str, int]]) -> None:
        """The callee hears it, and nothing of the caller."""
        caller, to_caller, callee, _ = call
        for number in range(10):
            caller.sendto(rtp(50_000 + number), to_caller)
            self.assertNotEqual(callee.recv(2048)[8:12], rtp(0)[8:12])

    def drain(self, call: tuple[socket.socket, tuple[str, int], socket.socket, tuple[str, int]]) -> None:
        for each in (call[0], call[2]):
            each.settimeout(0.1)
            try:
                while each.recv(2048):
                    pass
            except TimeoutError:
                each.settimeout(5)

    def test_dtmf_capture(self) -> None:
        folder = self.enter_folder()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{folder}/notify")
            listener.listen()
            proxy = self.start("-n", f"unix:{folder}/notify", "--dso", "catch_dtmf")
            call = self.call(proxy, after=f" unix:{folder}/notify session && M3:1 digits")
            packet = self.settle(proxy, call, streams=1)
            self.talk(call, range(packet, packet + 300))
            self.assertEqual(proxy.fast, 1)
            self.assertEqual(proxy.stop(), 0)

    def test_every_packet_twice(self) -> None:
        proxy = self.start("-2")
        caller, to_caller, callee, _ = self.call(proxy)
        for number in range(50):
            caller.sendto(rtp(number, size=80), to_caller)
            self.assertEqual([callee.recv(2048) for _ in range(2)], [rtp(number, size=80)] * 2)
        self.assertEqual(proxy.fast, 0)
        self.assertEqual(proxy.stop(), 0)

    def test_resizing(self) -> None:
        proxy = self.start()
        caller, to_caller, callee, _ = call = self.call(proxy)
        packet = self.settle(proxy, call)
        proxy.say(f"Uiesz40 call {CALLER} {caller.getsockname()[1]} from")
        sizes = set()
        for number in range(packet, packet + 40):
            caller.sendto(rtp(number), to_caller)
            if number % 2:
                sizes.add(len(callee.recv(2048)))
        self.assertIn(12 + 320, sizes)
        self.assertEqual(proxy.stop(), 0)

    def test_hold_and_type_of_service(self) -> None:
        """Media goes on during a hold; a new type of service is that of the next packet."""
        proxy = self.start()
        caller, to_caller, callee, _ = call = self.call(proxy)
        callee.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        packet = self.settle(proxy, call)
        self.assertEqual(self.type_of_service(callee, caller, to_caller, packet), 0xB8)
        proxy.say("Uies call 0.0.0.0 4 from")
        self.talk(call, range(packet + 1, packet + 20))
        for tos in (0x20, 0x108):  # the kernel takes the low eight bits
            proxy.say(f"Uies call {CALLER} {caller.getsockname()[1]} from && Sr tos={tos}")
            packet += 20
            self.assertEqual(self.type_of_service(callee, caller, to_caller, packet), tos & 0xFF)
            self.assertEqual(self.type_of_service(callee, caller, to_caller, packet + 1), tos & 0xFF)
        self.assertEqual(proxy.stop(), 0)

    def type_of_service(self, receiver: socket.socket, sender: socket.socket, to: tuple[str, int], number: int) -> int:
        """Of a packet that was relayed."""
        sender.sendto(rtp(number), to)
        data, ancillary, _, _ = receiver.recvmsg(2048, 64)
        self.assertEqual(data, rtp(number))
        return ancillary[0][2][0]

    def test_new_address_and_strangers(self) -> None:
        proxy = self.start()
        _, to_caller, callee, _ = call = self.call(proxy)
        packet = self.settle(proxy, call)
        stranger = self.socket(self.hosts.caller, CALLER)
        for number in range(20):
            stranger.sendto(rtp(number, ssrc=5), to_caller)  # refused, while the call goes on
            self.talk(call, range(packet, packet + 5))
            packet += 5
        self.assertEqual(proxy.say("G npkts_discard"), "20")
        stranger.sendto(rtp(packet), to_caller)  # the caller's own stream from elsewhere: it has moved
        self.assertEqual(callee.recv(2048), rtp(packet))
        moved = (stranger, to_caller, callee, call[3])
        packet = self.settle(proxy, moved, packet + 1)
        self.talk(moved, range(packet, packet + 50))
        elsewhere = self.socket(self.hosts.callee, CALLEE)
        proxy.say(f"Leis call {CALLEE} {elsewhere.getsockname()[1]} from to")  # the callee says so
        elsewhere.sendto(rtp(packet + 50, ssrc=2), call[3])
        self.assertEqual(stranger.recv(2048), rtp(packet + 50, ssrc=2))
        stranger.sendto(rtp(packet + 50), to_caller)
        wait_for(lambda: rtp(packet + 50) in self.received(elsewhere), "the packet at the new address")
        self.assertEqual(proxy.stop(), 0)

    @staticmethod
    def received(receiver: socket.socket) -> list[bytes]:
        return [receiver.recv(2048)]

    def test_from_here_to_there(self) -> None:
        """The kernel's figures of a stream are there at once, wherever it is."""
        proxy = self.start("-T", "30")
        call = self.call(proxy)
        packet = self.settle(proxy, call)
        for number in range(packet, packet + 30):
            self.talk(call, range(number, number + 1))
            counts = proxy.say("Q call from to npkts_ina npkts_ino rtpa_nrcvd").split()
            self.assertEqual(counts, [str(number + 1)] * 3)
        self.assertGreater(int(proxy.say("G nmoves_fastpath")), 30)
        self.assertEqual(proxy.stop(), 0)
