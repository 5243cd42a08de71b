"""What every learner of a stream agrees on: its contract, and the bytes it is kept in."""
