"""What the control protocol can do: the identifiers that `VF` and the option `-v` answer for, each once.

Controllers ask for these numbers before they use a feature. The order is that of `-v`.
"""

from __future__ import annotations

BASIC_VERSION = 20040107  # the answer to `V`
TIMEOUT_NOTIFICATION = 20081224  # `VF` grants it only when a notification target is configured

CAPABILITIES: tuple[tuple[int, str], ...] = (
    (BASIC_VERSION, "Basic RTP proxy functionality"),
    (20050322, "Multiple RTP streams per call and music on hold"),
    (20060704, "Extra parameter in the V command"),
    (20071116, "RTP re-packetization"),
    (20071218, "Copying of a stream to a remote target"),
    (20080403, "Statistics of a session"),
    (20081102, "Codec list in the U and L commands"),
    (TIMEOUT_NOTIFICATION, "Notification when a session times out"),
    (20090810, "Automatic bridging"),
    (20140323, "Reporting of load"),
    (20140617, "Anchoring of the session connect time"),
    (20141004, "Extensible performance counters"),
    (20150330, "Allocation of a new port (Un/Ln)"),
    (20150420, "RTP sequence tracking and named counters of a session"),
    (20150617, "%%CC_SELF%% wildcard of notification targets"),
    (20191015, "Sub-commands after &&"),
    (20200226, "N command to stop a recording"),
    (20230205, "Counter rtpa_nlost; h modifier of the DTMF module"),
    (20230314, "Query and delete in one command"),
    (20230424, "Counters longest_ipi, rtpa_jlast, rtpa_jmax and rtpa_javg"),
    (20250523, "p modifier of the C command"),
    (20251015, "S sub-command: ttl and tos of a session"),
    (20260306, "Labels of local addresses (Ul{label}/Ll{label})"),
    (20260308, "Both legs of a session in one command (U ... && L ...)"),
    (20260309, "Forking of both directions by the C sub-command"),
)
