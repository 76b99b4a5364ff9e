"""Speed, as ratios measured within one run on one machine: `make bench`."""
