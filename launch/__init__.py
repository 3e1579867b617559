"""Clusters and pods: what is known of a run before a slice is booked for it."""
