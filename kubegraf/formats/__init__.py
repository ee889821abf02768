"""How the console writes times: as `connectors.text.moment` does, for messages."""
