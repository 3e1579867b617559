"""Measurements: paired, interleaved in one process, medians and spread as ratios.

python -m benchmarks --help
"""
