"""One page to read and to pass on: what records say in words, their figures, tables and sounds."""
