"""What records say, in words: small functions from a record to sentences, one file a kind of probe."""
