"""The command line, `thalweg …`: each module is one command, or a group of them."""
