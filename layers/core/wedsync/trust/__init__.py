"""What people may rely on: text that is safe to show."""
