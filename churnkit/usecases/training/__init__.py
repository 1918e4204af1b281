"""Train, judge, compare, retrain."""
