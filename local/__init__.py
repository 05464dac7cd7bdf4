"""The one-machine runner: the same functions and the same template, with local stand-ins for AWS."""
