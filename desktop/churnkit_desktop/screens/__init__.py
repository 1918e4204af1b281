"""One package per screen: state (without Qt), presenter, view."""
