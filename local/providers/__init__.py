"""Stand-ins for the providers of messages: the real SDKs talk to them, and they are as strict as the real ones."""
