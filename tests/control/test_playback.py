"""P and S as commands."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.control.conversation import ConversationCase


class PlayTest(ConversationCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.prompt = f"{directory.name}/prompt"
        Path(f"{self.prompt}.0").write_bytes(b"\xff" * 800)
        Path(f"{self.prompt}.8").write_bytes(b"\xd5" * 800)

    def test_replies(self) -> None:
        prompt = self.prompt
        self.check_replies(self.talk(), f"""
            U a ... f                       -> 41000 127.0.0.1
            P a {prompt} session f t        -> E35
            Uc0,8 a ... f                   -> 41000 127.0.0.1
            L a ... f t                     -> 41002 127.0.0.1
            P a {prompt} session f t        -> 0
            P a {prompt} session t f        -> E35              # that party has named no codecs
            Lc0,101 a ... f t               -> 41002 127.0.0.1
            P a {prompt} session t f        -> 0
            P3 a {prompt} 0,8,101 f         -> 0
            P-1 a {prompt} 39,8 f t         -> 0                # the first that can be played
            P a {prompt} 8;0 f t            -> 0                # any character separates
            P a {prompt} 39 f t             -> E60
            P a {prompt} abc f t            -> E60
            P a {prompt} 0,abc f t          -> E60
            P a {prompt} , f t              -> E60
            P a {prompt} 39,,8 f t          -> E60
            P a {prompt} -1 f t             -> E60
            P a {prompt} SESSION f t        -> E60
            P a {prompt}x 0,8 f t           -> E60
            Pgarbage a {prompt} 0 f t       -> E17
            P0 a {prompt} 0 f t             -> 0                # only stops
            P0 a nosuch session t f         -> 0
            P-0 a nosuch 39 f               -> 0
            P0 nosuch x 0 f                 -> E50
            P nosuch {prompt} 0 f           -> E50
            P a {prompt} 0 t                -> E50
            P a {prompt} 0 x t              -> E50
            S a f t                         -> 0
            S a f t                         -> 0                # also when nothing plays
            S a t f                         -> 0
            S nosuch f                      -> E50
            Sx a f                          -> E2
            U a ... f                       -> 41000 127.0.0.1
            P a {prompt} session f t        -> E35              # no c: the list is forgotten
        """)

    def test_counters(self) -> None:
        talk = self.talk()
        talk.say("U a ... f")
        self.check_replies(talk, f"""
            G nplrs_created nplrs_destroyed -> 0 0
            P a {self.prompt} 0 f           -> 0
            G nplrs_created nplrs_destroyed -> 1 0
            P a {self.prompt} 8 f           -> 0
            G nplrs_created nplrs_destroyed -> 2 1
            P a {self.prompt} 39 f          -> E60              # the one that played is stopped first
            G nplrs_created nplrs_destroyed -> 2 2
            P-1 a {self.prompt} 0 x f       -> 0
            G nplrs_created nplrs_destroyed -> 3 2
            S a x f                         -> 0
            S a x f                         -> 0
            G nplrs_created nplrs_destroyed -> 3 3
            P-1 a {self.prompt} 0 f         -> 0
            D a f                           -> 0
            G nplrs_created nplrs_destroyed -> 4 4
        """)
