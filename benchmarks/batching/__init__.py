"""What batching policies cost and how long people wait under them: a year in simulated time.

Requests come as a Poisson process with bursts, as after a report in the news. When a batch is made,
and of what, is asked of the service's own functions (`batching.time_has_come`, `fitting`), and the
route of `models.decision.decide`, with the history of the jobs before it. What jobs take is set
below, as shares of a retrain. One model, one worker, no failures.

    python -m benchmarks.batching --seeds 3
"""
