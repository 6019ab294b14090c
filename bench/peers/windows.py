"""Windows of standardised values: what a detector sees that is given no features."""

import numpy as np

N_STEPS = 25


class Windows:
    """The windows of one series, in units of the mean and deviation of its training part; a missing value is the last one."""

    def __init__(self, one):
        training = one.values[one.train.start : one.train.stop]
        training = training[~one.is_missing[one.train.start : one.train.stop]]
        mean, deviation = np.zeros(one.values.shape[1]), np.ones(one.values.shape[1])
        for channel, values in enumerate(training.T):
            values = values[~np.isnan(values)]
            if len(values):
                mean[channel], deviation[channel] = values.mean(), values.std() or 1.0
        scaled = (one.values - mean) / deviation
        last = np.where(np.isnan(scaled), -1, np.arange(len(scaled))[:, None])
        last = np.maximum.accumulate(last, axis=0)
        self.values = np.where(last < 0, 0.0, np.take_along_axis(scaled, np.maximum(last, 0), axis=0))

    def at(self, points):
        """The windows that end at some points; before the series its first point is repeated."""
        index = np.maximum(points[:, None] - np.arange(N_STEPS - 1, -1, -1), 0)
        return self.values[index].reshape(len(points), -1)
