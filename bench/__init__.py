"""How fast each road is, beside something others run, in the same sitting: `python -m bench` runs them all."""
