"""Compiled loops over contiguous blocks; they trust their input and allocate nothing."""
