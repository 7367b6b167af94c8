"""Yes and no, as people say them to a question of ours; anything else is neither."""

from __future__ import annotations

YES = frozenset((
    "yes", "yeah", "yep", "yes do", "yes do it", "yes do that", "yes please do", "do it", "do that", "yes go ahead", "go ahead", "sure",
    "of course", "yes of course", "confirm", "confirmed", "yes i am sure", "yes you may", "yes you shall"))
NO = frozenset((
    "no", "nope", "no don't", "don't", "don't do it", "no don't do it", "leave it", "no leave it", "cancel", "cancel that", "never mind",
    "no thanks", "no thank you", "rather not", "better not"))
