"""From sources of photos to PHOTOS and QUARANTINE."""
