"""The ways to a person: a module has `send(claimed, text) -> Outcome`; the inbox, without a provider, has `handle`."""
