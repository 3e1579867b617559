"""One file an experiment: plain values, no logic."""
