"""Who did, or tried to do, what: recorded for every request that matters, read by administrators."""
