"""What features do to the next token, beside what others do that fire as often or push as far."""
