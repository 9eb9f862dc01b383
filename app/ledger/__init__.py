"""The truth: what was asked, decided and done. Plain functions on a session; no HTTP, no queue."""
