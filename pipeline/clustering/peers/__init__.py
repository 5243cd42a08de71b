"""River's own clusterers, behind the contract of a learner."""
