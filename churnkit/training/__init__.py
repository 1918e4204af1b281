"""From a table to a calibrated, evaluated pipeline."""
