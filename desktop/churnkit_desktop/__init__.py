"""The desktop console: churnkit for somebody who has never seen a terminal."""
