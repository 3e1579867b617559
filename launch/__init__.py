"""Clusters and pods: what to know and do before a run is launched there."""
