"""The numbers behind the pipeline, in numpy alone: what every other layer is tested against."""
