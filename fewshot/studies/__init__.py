"""Many runs -> one table or curve."""
