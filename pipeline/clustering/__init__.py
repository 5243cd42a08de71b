"""The clustering street: what is done to a stream of points."""
