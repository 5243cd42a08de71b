"""The adaptive learner: clusters of a stream whose scale, radius, number and place are learned on the way."""
