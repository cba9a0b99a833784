"""What fires where over many texts: gathered once, kept on disk, counted."""
