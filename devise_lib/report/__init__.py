"""One HTML page of a run: plain values in, text out. It reads no table."""
