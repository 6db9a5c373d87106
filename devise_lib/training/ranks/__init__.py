"""What a rank of Horovod does whatever it trains: feed, steps, checkpoints, curves, its end."""
