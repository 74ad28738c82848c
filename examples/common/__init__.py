"""What the scripts beside this folder are made of."""
