"""Networks of clients: what users may be allowed so far."""
