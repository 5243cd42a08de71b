"""Records about the running system itself."""
