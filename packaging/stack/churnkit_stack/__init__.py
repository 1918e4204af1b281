"""An installation as plain processes: what docker-compose.yml describes, without an engine."""
