"""What is known of every feature of a dictionary, and where to find it again."""
