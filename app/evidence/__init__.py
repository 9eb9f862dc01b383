"""What can be proved with no server: hashing, signing, proofs. Pure functions, no SQL, no HTTP."""
