"""Building programs in processes of their own, several at once."""
