"""What the live benchmarks measure with: listeners, and the two servers they listen to."""
