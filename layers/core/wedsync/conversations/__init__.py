"""Threads, their participants, messages and log. Knows nothing of sockets or notifications."""
