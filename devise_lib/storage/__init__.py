"""Files of local disks and object stores: one way to read, write, list and lock them."""
