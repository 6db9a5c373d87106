"""Archives of photos, read without unpacking: tars, and the records of CIFAR."""
