"""What others run, each in an environment of its own, for the benchmarks to stand beside."""
