"""Sockets: who is connected, what is pushed to them, and how a client catches up."""
