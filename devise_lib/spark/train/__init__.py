"""Training on Horovod's ranks: backbone, projection and fine-tuning; and promotion to champion."""
