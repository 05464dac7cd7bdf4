"""The ways to a person: each module has one public function, `send(claimed, text) -> Outcome`."""
