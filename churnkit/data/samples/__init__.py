"""The data that is shipped with churnkit."""
