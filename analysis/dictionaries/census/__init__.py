"""The MLP's neurons counted by what they do: dead, following tokens, positional, always active."""
