"""What the library claims about its speed, measured beside its peers in the same run."""
