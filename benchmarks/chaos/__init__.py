"""What is promised of runs that are killed and of files that are damaged, tested at length.

python -m benchmarks.chaos --help
"""
