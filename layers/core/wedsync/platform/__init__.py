"""What the product stands on; no product words in here."""
