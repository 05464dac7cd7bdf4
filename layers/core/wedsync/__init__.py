"""WedSync Threads: the product, without a Lambda or a gateway in sight."""
