"""The status page, its JSON, and metrics: looking at the proxy from outside, and nothing but looking."""
