"""The kernel fast path: plainly relayed RTP is forwarded by an eBPF program and never reaches this process."""
