"""What `seunet init` guesses of a folder: its files, which belong together, what they hold, how they are split."""
