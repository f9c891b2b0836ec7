"""What the exit code of the command `lastlayer` means; 0 is ok."""

GATE_FAILED = 1
USAGE = 2
BUG = 101
INTERRUPTED = 130
BROKEN_PIPE = 141  # as a shell reports a program that wrote to nobody
