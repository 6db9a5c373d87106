"""What surrounds a job: its command line, MLflow run and record, locks, and the stop signal."""
