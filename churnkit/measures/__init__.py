"""Figures of scored customers, their intervals, the profit rule: arithmetic of several rooms."""
