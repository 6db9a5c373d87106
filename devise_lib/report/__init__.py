"""One HTML page of a run, plots, the projector's files: plain values in. It reads no table."""
