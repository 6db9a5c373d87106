"""Training of backbones and projections: losses, plans, the trained models and their exports."""
