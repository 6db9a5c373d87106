"""What makes the environment that the project runs in, and the reference pages of docs/."""
