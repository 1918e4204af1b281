"""Words that the rooms share: frozen types without behaviour of their own."""
