"""The pages of docs/results: what each measures, and how it is written from what was measured.

scripts/results runs them.
"""
