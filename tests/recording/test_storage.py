"""rtpp/recording/storage.py: names and moves, with real directories."""

from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path

from rtpp.recording.storage import UnsafeNameError, copy, rename, safe_path, unused


class MoveTest(unittest.TestCase):
    def test_across_file_systems(self) -> None:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory(dir="/dev/shm") as other:
            if os.stat(one).st_dev == os.stat(other).st_dev:
                self.skipTest("both directories are on one file system")
            source, target = os.fsencode(one) + b"/x", os.fsencode(other) + b"/x"
            Path(os.fsdecode(source)).write_bytes(b"recording" * 1000)
            self.assertFalse(rename(source, target))
            copy(source, target)
            self.assertEqual(Path(os.fsdecode(target)).read_bytes(), b"recording" * 1000)
            self.assertEqual(os.listdir(other), ["x"])
            self.assertEqual(os.listdir(one), [])


    def test_on_one_file_system(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "x").write_bytes(b"recording")
            self.assertTrue(rename(os.fsencode(f"{folder}/x"), os.fsencode(f"{folder}/y")))
            self.assertEqual(os.listdir(folder), ["y"])

    def test_a_copy_that_fails_leaves_everything_as_it_was(self) -> None:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            Path(one, "x").write_bytes(b"recording")
            Path(other, "x").mkdir()
            with self.assertRaises(OSError):
                copy(os.fsencode(f"{one}/x"), os.fsencode(f"{other}/x"))
            self.assertEqual((os.listdir(one), os.listdir(other)), (["x"], ["x"]))

    def test_unused_names(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.fsencode(f"{folder}/x")
            for expected in (path, path + b".1", path + b".2"):
                self.assertEqual(unused(path), expected)
                Path(os.fsdecode(expected)).touch()


class SafePathTest(unittest.TestCase):
    def test_names(self) -> None:
        with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as elsewhere:
            os.mkdir(os.path.join(directory, "sub"))
            os.symlink(elsewhere, os.path.join(directory, "link"))
            home = os.fsencode(directory)
            self.assertEqual(safe_path(home, "call@host=tag.o.rtp"), home + b"/call@host=tag.o.rtp")
            self.assertEqual(safe_path(home, "sub/name"), home + b"/sub/name")
            self.assertEqual(safe_path(home, "caf\xe9"), home + b"/caf\xe9")
            for name in ("", "/etc/passwd", "../x", "sub/../../x", "..", "a\0b", "sub//x", "./x", "link/x"):
                with self.subTest(name=name), self.assertRaises(UnsafeNameError):
                    safe_path(home, name)


if __name__ == "__main__":
    unittest.main()
