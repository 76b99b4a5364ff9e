"""Experiments: training, prediction, evaluation and the errors of equivariance of trained networks."""
