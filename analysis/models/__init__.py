"""Models: finding, opening, proving, running and continuing them. Only this folder knows transformers."""
