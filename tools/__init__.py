"""The set-up of the project's environment, with the standard library only."""
