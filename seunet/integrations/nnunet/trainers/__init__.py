"""The folder that nnU-Net searches for trainers: it imports each module here by its name alone."""
