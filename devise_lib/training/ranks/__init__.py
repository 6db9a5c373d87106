"""What a rank of Horovod does in any training: feed, steps, checkpoints, curves and error
reports.
"""
