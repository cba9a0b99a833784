"""The part "This text": the features of the prompt, its tokens, and what is written after it."""
