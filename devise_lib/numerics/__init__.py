"""The mathematics of the pipeline in numpy alone; every other layer is tested against it."""
