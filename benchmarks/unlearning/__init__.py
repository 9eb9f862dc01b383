"""Every way to forget, on every kind of forget set, against networks that never saw the samples.

For one data set, forget sets are drawn once. Per forget set there is a retrain band: what the
recipe's own training without these samples gives under several seeds. Per seed, a network is
trained on everything and each method makes it forget each set. A value lies inside the band where
it could be that of one more retrain: within the 95 % prediction interval of those there are.
"""
