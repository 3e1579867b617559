"""Everything that reads, writes, waits or places. What is arrays in, arrays out, is in `model`."""
