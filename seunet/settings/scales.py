"""Which test scales count as unseen."""

SEEN = 1.2  # scales nearer to 1 than this factor are as good as seen in training
