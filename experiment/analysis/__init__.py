"""What notebooks and commands ask of finished or running runs."""

from experiment.analysis.runs import Run, load

__all__ = ["Run", "load"]
