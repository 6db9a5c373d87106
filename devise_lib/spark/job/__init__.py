"""What surrounds a job: session, run of MLflow, record, locks, and a stop that is asked for."""
