"""What a person may decide about a project: churnkit.toml and the CHURNKIT_* variables."""
