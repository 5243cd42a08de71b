"""Tasks, the nodes that run them, their files and payments: what users may be allowed so far."""
