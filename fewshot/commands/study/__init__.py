"""Many runs, one table; the same command again goes on where it was interrupted."""
