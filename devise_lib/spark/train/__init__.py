"""Training on Horovod's ranks: the backbone, the projection, fine-tuning, and who is champion."""
