"""The edges: they translate between messages and the conversation's events and commands, and losing them never touches the voice path."""
