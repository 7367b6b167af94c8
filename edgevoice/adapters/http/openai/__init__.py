"""The interface that programs know from OpenAI: the device's engines, lent to them."""

from edgevoice.adapters.http.openai.group import OpenAi

__all__ = ["OpenAi"]
