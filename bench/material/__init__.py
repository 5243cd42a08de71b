"""What the learner's benchmarks learn from, and whom they set it beside."""
