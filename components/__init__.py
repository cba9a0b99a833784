"""What a page is drawn with: widgets, figures and what ties them to a session."""
