"""What makes the environment that the project runs in; standard library only."""
