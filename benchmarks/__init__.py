"""Measurements: paired, interleaved in one process, medians and spread as ratios.

python -m benchmarks batching --config=configs/multi30k.py --config.data.dir=FOLDER
"""
