"""extractaudio as its users see it: arguments, exit codes, messages, files."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import unittest

from rtpp.recording import formats
from tests.recording.captures import START, adhoc, pcap, pcap_file, rtp
from tests.rtp.srtp_sender import encrypt
from tests.tools.extracting import FRAME, LOUD_SAMPLE, ExtractingCase, runs, stream

KEY = bytes(range(30))
KEY_TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
SUITE = "AES_CM_128_HMAC_SHA1_80"


class Usage(ExtractingCase):
    def test_what_shows_the_usage(self) -> None:
        for arguments in ([], ["call"], ["-S"], ["-S", "call", "out"], ["-S", "-A", "a", "out"], ["-A", "a"], ["-q"],
                          ["-U", "x", "call", "out"], ["-F"], ["--nonsense", "call", "out"]):  # fmt: skip
            result = self.run_tool(*arguments)
            self.assertEqual((result.status, result.output), (1, ""), arguments)
            self.assertIn("usage: extractaudio", result.errors)

    def test_help_tells_every_option(self) -> None:
        result = self.run_tool("--help", "-S")
        self.assertEqual((result.status, result.errors), (0, ""))
        self.assertTrue(result.output.startswith("usage: extractaudio "))
        for option in ("-A", "-B", "-D", "-F", "-S", "-d", "-e", "-i", "-n", "-s", "--alice-crypto", "--bob-crypto",
                       "--plot", "--help"):  # fmt: skip
            self.assertRegex(result.output, rf"(?m)^  (\S+ \S+, )?{option}\b")

    def test_unknown_formats_list_the_known(self) -> None:
        for option, kind, known in (("-F", "file", "wav"), ("-D", "data", "pcm_16")):
            result = self.run_tool(option, "nosuch", "call", "out")
            self.assertEqual(result.status, 1)
            self.assertIn(f'extractaudio: unknown output {kind} format: "nosuch"\n', result.errors)
            self.assertRegex(result.errors, f'\n    "{known}"\t- .')

    def test_format_names_in_any_case(self) -> None:
        path = self.save_packets("a", stream(1))
        self.assertEqual(self.run_tool("-F", "RAW", "-D", "PCM_16", "-A", path, self.out).status, 0)

    def test_crypto_arguments(self) -> None:
        cases = [
            ("nocolon", 'invalid crypto argument must be in the format "<suite>:<base64_key>": nocolon'),
            (f"AES_256:{KEY_TEXT}", "unknown or unsupported crypto suite: AES_256"),
            (f"{SUITE}:", "invalid length of base64 key encoding, expected 40, supplied 0"),
            (f"{SUITE}:{KEY_TEXT}A", "invalid length of base64 key encoding, expected 40, supplied 41"),
            (f"{SUITE}:*{KEY_TEXT[1:]}", "error: too few digits in key/salt (should be 40 digits, found 0)"),
            (f"{SUITE}:{KEY_TEXT[:30]}-{KEY_TEXT[31:]}", "(should be 40 digits, found 30)"),
            (f"{SUITE}:{KEY_TEXT[:39]}=", "error: padding in base64 unexpected"),
            (f"{SUITE}:{KEY_TEXT[:38]}==", "error: padding in base64 unexpected"),
        ]
        for option in ("--alice-crypto", "--bob-crypto"):
            for text, message in cases:
                result = self.run_tool(option, text, "-A", "a", "out")
                self.assertEqual((result.status, result.output), (1, ""))
                self.assertTrue(result.errors.startswith("extractaudio: "))
                self.assertIn(message + "\n", result.errors)


class Inputs(ExtractingCase):
    def test_a_prefix_names_both_sides(self) -> None:
        self.save_packets("call.a.rtp", stream(2, ssrc=1))
        self.save_packets("call.o.rtp", stream(3, ssrc=2))
        result = self.run_tool("-F", "raw", "-D", "pcm_16", self.path("call"), self.out)
        self.assertEqual(result.status, 0)
        self.assertIn("samples decoded: O: 480, A: 320, written: 240\n", result.errors)

    def single_file(self, packets: list[tuple[tuple[str, int], tuple[str, int], float, bytes]]) -> str:
        """A pcap file of both sides under the prefix that is returned."""
        data = formats.PCAP.file_header
        for number, (source, destination, time, packet) in enumerate(packets):
            data += formats.PCAP.record(packet, source, destination, socket.AF_INET, time, number)
        self.save("call.pcap", data)
        return self.path("call")

    def test_a_prefix_of_a_single_file(self) -> None:
        caller, callee = ("192.0.2.1", 5004), ("192.0.2.2", 6004)
        for_caller, for_callee = ("192.0.2.9", 35000), ("192.0.2.9", 35002)
        report = b"\x80\xc9\x00\x01" + bytes(4)
        packets = [(for_callee, callee, START - 0.01, report)]
        packets += [(caller, for_caller, time, data) for time, data in stream(5, ssrc=1)]
        packets += [(callee, for_callee, time, data) for time, data in stream(3, ssrc=2, start=0.020001, code=b"\xef")]
        prefix = self.single_file(packets)
        both = self.extract("-s", prefix)
        self.assertEqual(runs(both[1::2]), [(LOUD_SAMPLE, 5 * FRAME)])
        self.assertEqual(runs(both[::2]), [(0, FRAME), (132, 3 * FRAME), (0, FRAME)])
        result = self.run_tool("-S", prefix)
        self.assertEqual((result.status, result.output), (0, f"{prefix}.pcap: 9\n"))
        result = self.run_tool("-d", prefix, self.out)
        self.assertRegex(result.output, r"^pcount=3,.*ssrc=0x00000002.*\n.*plost=0\n.*\npcount=5,.*ssrc=0x00000001")
        self.assertFalse(os.path.exists(f"{prefix}.pcap"))

    def test_files_of_one_side_come_before_a_single_file(self) -> None:
        prefix = self.single_file([(("192.0.2.1", 5004), ("192.0.2.9", 35000), *stream(9, ssrc=3)[0])])
        self.save_packets("call.o.rtp", stream(2, ssrc=2))
        self.assertEqual(len(self.extract(prefix)), 2 * FRAME)

    def test_a_single_file_without_packets_or_broken(self) -> None:
        for data, status in ((formats.PCAP.file_header, 0), (formats.PCAP.file_header + b"x", 1), (b"", 1)):
            self.save("call.pcap", data)
            self.assertEqual(self.run_tool(self.path("call"), self.out).status, status)
            self.assertFalse(os.path.exists(self.out))

    def test_written_counts_frames_in_stereo(self) -> None:
        path = self.save_packets("a", stream(3))
        result = self.run_tool("-s", "-F", "raw", "-D", "pcm_16", "-B", path, self.out)
        self.assertIn("samples decoded: O: 480, A: 0, written: 480\n", result.errors)

    def test_nothing_to_load(self) -> None:
        empty = self.save("empty", b"")
        cases = [
            ((self.path("x"),), f"cannot load neither {self.path('x')}.a.rtp nor {self.path('x')}.o.rtp"),
            (("-A", empty), f"cannot load neither {empty} nor (null)"),
            (("-B", empty), f"cannot load neither (null) nor {empty}"),
            (("-A", self.folder, "-B", empty), f"cannot load neither {self.folder} nor {empty}"),
            (("-e", "-A", empty), f"cannot load neither {empty} nor (null)"),
        ]
        for arguments, message in cases:
            result = self.run_tool(*arguments, self.out)
            self.assertEqual((result.status, result.output), (1, ""))
            self.assertIn(f"extractaudio: {message}\n", result.errors)
            self.assertFalse(os.path.exists(self.out))

    def test_all_inputs_are_needed_only_when_asked_for(self) -> None:
        good, missing = self.save_packets("a", stream(2)), self.path("missing")
        self.assertEqual(len(self.extract("-A", good, "-B", missing)), 2 * FRAME)
        result = self.run_tool("-e", "-A", good, "-B", missing, self.out)
        self.assertEqual(result.status, 1)
        self.assertIn(f"extractaudio: cannot load {missing}\n", result.errors)

    def test_inputs_without_a_usable_packet(self) -> None:
        figures = (
            "pcount=0, min_seq=0, max_seq=0, seq_offset=0, ssrc=0x00000000, duplicates=0\n"
            "ssrc_changes=0, psent=0, precvd=0, plost=0\n"
        )
        for data in (formats.PCAP.file_header, adhoc([(START, b"short")] * 3)):
            result = self.run_tool("-A", self.save("a", data), self.out)
            self.assertEqual((result.status, result.output), (0, figures))
            self.assertFalse(os.path.exists(self.out))

    def test_named_pipes_do_not_hang(self) -> None:
        os.mkfifo(self.path("pipe"))
        result = self.run_tool("-A", self.path("pipe"), self.out)
        self.assertEqual(result.status, 1)
        self.assertIn("not a regular file", result.errors)

    def test_a_broken_file_counts_when_the_other_is_good(self) -> None:
        broken = self.save("a", adhoc(stream(3, ssrc=1))[:-1])
        good = self.save_packets("b", stream(1, ssrc=2))
        result = self.run_tool("-A", broken, self.out)
        self.assertEqual(result.status, 1)
        self.assertIn("pcount=2, min_seq=0, max_seq=1,", result.output)
        self.assertIn("extractaudio: input file truncated, 1 bytes are missing\n", result.errors)
        self.assertEqual(len(self.extract("-A", broken, "-B", good)), 2 * FRAME)

    def test_a_cut_pcap_keeps_its_whole_packets(self) -> None:
        whole = pcap(stream(3, ssrc=1))
        good = self.save_packets("b", stream(1, ssrc=2))
        last = (len(whole) - 24) // 3
        for cut in (1, last - 16, last - 1):  # in a payload, behind a record header, inside one
            broken = self.save("a", whole[:-cut])
            result = self.run_tool("-A", broken, self.out)
            self.assertEqual(result.status, 1)
            self.assertIn("pcount=2, min_seq=0, max_seq=1,", result.output)
            self.assertIn("extractaudio: broken or truncated PCAP file\n", result.errors)
            self.assertEqual(len(self.extract("-A", broken, "-B", good)), 2 * FRAME)

    def test_captures_that_cannot_be_read(self) -> None:
        frames = [(START, bytes(60))]
        for data, text in (
            (pcap_file(frames, link_type=105), "unsupported data-link type in the PCAP: 105"),
            (pcap_file(frames, version=(2, 3)), "unsupported version of the PCAP: 2.3"),
            (pcap_file([])[:23], "invalid PCAP format"),
            (b"\x63" + bytes(40), "invalid format, 0 packets loaded"),
        ):
            result = self.run_tool("-A", self.save("a", data), self.out)
            self.assertEqual(result.status, 1)
            self.assertIn(f"extractaudio: {text}\n", result.errors)


class Outputs(ExtractingCase):
    def test_output_that_cannot_be_created(self) -> None:
        path = self.save_packets("a", stream(2))
        out = self.path("no/such/folder")
        result = self.run_tool("-A", path, out)
        self.assertEqual(result.status, 2)
        self.assertIn(f"extractaudio: {out}: can't open output file\n", result.errors)

    def test_impossible_combination_leaves_nothing(self) -> None:
        path = self.save_packets("a", stream(2))
        result = self.run_tool("-F", "au", "-D", "gsm610", "-A", path, self.out)
        self.assertEqual(result.status, 2)
        self.assertIn(f"extractaudio: {self.out}: can't open output file\n", result.errors)
        self.assertEqual(result.output.count("\n"), 3)
        self.assertFalse(os.path.exists(self.out))

    def test_an_input_is_never_overwritten(self) -> None:
        path = self.save_packets("a", stream(2))
        with open(path, "rb") as file:
            before = file.read()
        self.assertEqual(self.run_tool("-A", path, path).status, 2)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_default_formats(self) -> None:
        path = self.save_packets("a", stream(32))
        for arguments, tag in ((["-A"], 0x31), (["-s", "-A"], 2)):
            self.assertEqual(self.run_tool(*arguments, path, self.out).status, 0)
            with open(self.out, "rb") as file:
                header = file.read(22)
            self.assertEqual((header[:4], header[8:12], header[20] | header[21] << 8), (b"RIFF", b"WAVE", tag))

    def test_links_and_deletion(self) -> None:
        self.save_packets("call.a.rtp", stream(2))
        links = [self.path("link1"), self.path("link2")]
        result = self.run_tool("-d", "-i", self.path("call"), self.out, *links)
        self.assertEqual(result.status, 0)
        for link in links:
            self.assertTrue(os.path.samefile(link, self.out))
        self.assertFalse(os.path.exists(self.path("call.a.rtp")))

    def test_links_that_cannot_be_made_are_reported(self) -> None:
        path = self.save_packets("a", stream(2))
        result = self.run_tool("-A", path, self.out, path)
        self.assertEqual(result.status, 0)
        self.assertIn("can't link", result.errors)

    def test_inputs_are_kept_when_nothing_came_out(self) -> None:
        unplayable = self.save_packets("a", stream(2, payload_type=96))
        broken = self.save("b", adhoc(stream(2))[:-1])
        self.assertEqual(self.run_tool("-d", "-A", unplayable, self.out).status, 0)
        self.assertTrue(os.path.exists(unplayable))
        good = self.save_packets("c", stream(2))
        self.assertEqual(self.run_tool("-d", "-A", broken, "-B", good, self.out).status, 0)
        self.assertTrue(os.path.exists(broken))
        self.assertFalse(os.path.exists(good))

    def test_a_full_disk(self) -> None:
        if not os.path.exists("/dev/full"):
            self.skipTest("this system has no /dev/full")
        path = self.save_packets("a", stream(500))
        result = self.run_tool("-d", "-F", "raw", "-D", "pcm_16", "-A", path, "/dev/full")
        self.assertEqual(result.status, 1)
        self.assertIn("/dev/full: can't write: No space left on device", result.errors)
        self.assertTrue(os.path.exists(path))
        self.assertTrue(os.path.exists("/dev/full"))

    def test_a_picture(self) -> None:
        path = self.save_packets("a", stream(100))
        picture = self.path("picture.svg")
        self.assertEqual(self.run_tool("--plot", picture, "-A", path, self.out).status, 0)
        with open(picture, encoding="utf-8") as file:
            self.assertIn("100 packets, 0 lost", file.read())
        result = self.run_tool("-d", "--plot", self.path("no/picture.svg"), "-A", path, self.out)
        self.assertEqual(result.status, 1)
        self.assertTrue(os.path.exists(path))

    def test_as_a_program(self) -> None:
        path = self.save_packets("a", stream(2))
        command = [sys.executable, "-m", "rtpp.tools.extractaudio", "-F", "raw", "-D", "pcm_16", "-A", path, self.out]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr, "samples decoded: O: 0, A: 320, written: 160\n")
        self.assertEqual(self.run_tool("-S", "-A", path).output, f"{path}: 2\n")


class Scanning(ExtractingCase):
    def scan(self, data: bytes) -> str:
        path = self.save("a", data)
        result = self.run_tool("-S", "-A", path)
        self.assertEqual(result.status, 0)
        return result.output.replace(path + ": ", "").strip()

    def test_counts(self) -> None:
        whole = adhoc(stream(5))
        frame = bytes(12) + b"\x08\x00" + b"\x45" + bytes(8) + b"\x06" + bytes(10)  # no UDP, but IPv4
        cases = [
            (whole, "5"),
            (whole[:-1], "-1"),
            (whole + b"x", "-1"),
            (whole + adhoc(stream(1, first=2)), "6"),  # repeated packets count
            (b"", "-1"),
            (adhoc([(START, bytes(size)) for size in (8, 11, 12, 13)]), "2"),
            (adhoc([(START, bytes(8))] * 9), "0"),  # reports of a receiver, nothing else
            (formats.PCAP.file_header, "0"),
            (formats.PCAP.file_header[:20], "-1"),
            (pcap_file([(START, frame), (START, bytes(60)), (START, frame[:14])]), "2"),
            (pcap_file([], link_type=105), "-1"),
        ]
        for data, expected in cases:
            self.assertEqual(self.scan(data), expected, data)

    def test_both_inputs_and_missing_ones(self) -> None:
        path = self.save_packets("call.a.rtp", stream(3))
        result = self.run_tool("-S", self.path("call"))
        self.assertEqual((result.status, result.output), (0, f"{path}: 3\n{self.path('call.o.rtp')}: -1\n"))
        self.assertEqual(self.run_tool("-S", "-B", path).output, f"{path}: 3\n")


class Figures(ExtractingCase):
    def figures(self, packets: list[tuple[float, bytes]]) -> list[str]:
        return self.run_tool("-A", self.save_packets("a", packets), self.out).output.splitlines()

    def test_a_perfect_stream(self) -> None:
        self.assertEqual(
            self.figures(stream(405, first=10224, ssrc=0x1B5D8C64))[:2],
            [
                "pcount=405, min_seq=10224, max_seq=10628, seq_offset=0, ssrc=0x1B5D8C64, duplicates=0",
                "ssrc_changes=1, psent=405, precvd=405, plost=0",
            ],
        )

    def test_jitter_needs_two_packets(self) -> None:
        self.assertEqual(len(self.figures(stream(1))), 2)
        late = [(START, rtp(0, 0, b"x" * 160)), (START + 0.03, rtp(1, 160, b"x" * 160))]
        self.assertEqual(self.figures(late)[2], "last_jitter=5.000000,average_jitter=5.000000,max_jitter=5.000000")

    def test_the_first_line_is_about_the_last_epoch(self) -> None:
        packets = stream(3) + stream(4, first=5000, start=1)
        self.assertEqual(
            self.figures(packets)[:2],
            [
                "pcount=4, min_seq=5000, max_seq=5003, seq_offset=0, ssrc=0x00000001, duplicates=0",
                "ssrc_changes=1, psent=7, precvd=7, plost=0",
            ],
        )

    def test_side_a_comes_first(self) -> None:
        a, b = self.save_packets("a", stream(2, ssrc=0xA)), self.save_packets("b", stream(2, ssrc=0xB))
        output = self.run_tool("-B", b, "-A", a, self.out).output
        self.assertLess(output.index("ssrc=0x0000000A"), output.index("ssrc=0x0000000B"))

    def test_packets_that_cannot_be_placed(self) -> None:
        numbers = (65534, 65535, 0, 1, 65533)
        packets = [(START + n * 0.02, rtp(number, n * 160, b"x" * 160)) for n, number in enumerate(numbers)]
        result = self.run_tool("-A", self.save_packets("a", packets), self.out)
        self.assertEqual(result.status, 1)
        self.assertIn("extractaudio: update_rtpp_stats() failed\n", result.errors)

    def test_complaints_about_packets(self) -> None:
        packets = [
            (START, b"\x00" * 20),
            (START, b"\x90" + bytes(12)),
            (START, b"\x8f" + bytes(12)),
            (START, b"\xa0" + bytes(11)),
            (START, b"\xa0" + bytes(12)),
            (START, b"\xa0" + bytes(11) + b"\x09"),
            (START, rtp(1, 160, b"1234", 101)),
            (START, rtp(2, 160, b"1234", 101)),
            (START, rtp(3, 160, b"")),
            (START, rtp(4, 160, b"123", 3)),
        ]
        errors = self.run_tool("-A", self.save_packets("a", packets), self.out).errors
        for text in (
            "incorrect RTP header version",
            "packet is too short for extended RTP header size",
            "packet is too short for extended RTP header",
            "packet is too short for RTP padding size",
            "invalid RTP padding size",
            "packet is too short for RTP padding",
        ):
            self.assertIn(f"extractaudio: rtp_packet_parse_raw() failed: {text}\n", errors)
        self.assertEqual(errors.count("pack->parsed.nsamples = -1\n"), 1)
        self.assertIn("pack->parsed.nsamples = -1 (3 times in all)\n", errors)
        self.assertIn("pack->parsed.nsamples = 0\n", errors)


class Srtp(ExtractingCase):
    def test_both_sides_and_both_suites(self) -> None:
        for suite, tag_size in ((SUITE, 10), ("aes_cm_128_hmac_sha1_32", 4)):
            for as_pcap in (False, True):
                packets = [(time, encrypt(KEY, tag_size, data)) for time, data in stream(5)]
                path = self.save_packets("a", packets, as_pcap)
                spec = f"{suite}:{KEY_TEXT}"
                for crypto, side in (("--alice-crypto", "-A"), ("--bob-crypto", "-B")):
                    self.assertEqual(runs(self.extract(crypto, spec, side, path)), [(LOUD_SAMPLE // 2, 5 * FRAME)])

    def test_what_does_not_decrypt(self) -> None:
        packets = stream(2) + [(time, encrypt(KEY, 10, data)) for time, data in stream(2, first=2, start=0.04)]
        path = self.save_packets("a", packets)
        result = self.run_tool("--alice-crypto", f"{SUITE}:{KEY_TEXT}", "-A", path, self.out)
        self.assertIn("pcount=2, min_seq=2, max_seq=3,", result.output)
        self.assertIn("extractaudio: decryption failed\n", result.errors)


if __name__ == "__main__":
    unittest.main()
