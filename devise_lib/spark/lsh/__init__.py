"""Hash signatures of photos, and the neighbours and duplicates that they find."""
