"""What became true, of whom it counts, and what it says of a prediction."""
