"""Who is asking, and the directory of people, organizations and weddings."""
