"""What happens after the answer was sent: batching, running jobs, sweeping, publishing."""
