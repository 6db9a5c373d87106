"""The limits of a photo that ingest and decoding share."""

MAX_PIXELS = 64_000_000  # by its header
MIN_SIDE = 8  # pixels of the shorter side
MAX_FILE_BYTES = 1 << 30  # A task holds a whole file in memory.
READ_THREADS = 8  # per task, for photos at their paths
READ_TIMEOUT_S = 60.0  # per photo
PREFETCH_BYTES = 64 << 20  # per task, of photos that are read but not yet used
