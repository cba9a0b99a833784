"""Names of features: made from rules about tokens, judged on held-out text, or given by a person."""
