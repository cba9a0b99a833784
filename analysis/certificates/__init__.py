"""Certificates of erasure: what was removed, what remains and what it cost, each measured beside a control."""
