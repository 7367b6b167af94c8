"""Utterances that the weights of ``dialog/turn_end.py`` are fitted on, and its curve is chosen on: none of them is in ``bench endpoint``.

Orders that the benchmark neither asks nor splices, recordings that it leaves out, and other sentences, said by the default voice.  The
whole ones and those with a pause come in quiet and in a kitchen.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgevoice import audio
from edgevoice.engines.protocols import Tts
from tests.bench.endpoint import COMPLETE, PAUSED, SNR_DB
from tests.bench.questions import RATE
from tests.bench.utterances import PAUSES_S, Utterance, clips, hesitation, question, splice, with_noise

ALL = 1 << 20
COUNT = 514
"""utterances of ``training``"""

HESITATIONS = (
    ("Can you remind me to", "water the plants."), ("What is the weather like in", "Madrid today?"),
    ("Play some music from", "the eighties."), ("I need to know how to", "change a tire."), ("Set an alarm for", "six in the morning."),
    ("Turn off the lamp next to", "the bed."), ("Where did I put my", "car keys?"), ("Do we have any", "milk left?"),
    ("Could you tell me when the", "next bus leaves?"), ("I would like a small latte and", "a muffin."),
    ("How far is it from here to", "the airport?"), ("Tell my mother that", "I will be late."),
    ("What time does the", "supermarket close?"), ("Search for a hotel near", "the beach."),
    ("Is it possible to", "freeze cooked pasta?"), ("Put eggs and", "cheese on the list."), ("My favorite color is", "dark green."),
    ("I was wondering if you", "could help me cook."), ("How many calories are in", "a banana?"), ("Who is the author of", "this book?"),
    ("Let us meet at the", "corner of the street."), ("Start the dishwasher at", "ten tonight."),
    ("Give me a recipe for", "tomato soup."), ("Why do people", "yawn so much?"), ("Make a reservation for", "four people at seven."),
    ("I think I want", "a cup of black tea."), ("The best way to learn", "is to practice every day."),
    ("When I was a child", "we lived near a lake."), ("Yesterday I saw", "a fox in the garden."), ("Can I have the", "bill, please?"),
    ("Please tell me more about", "the Roman empire."), ("How much does it cost to", "send a letter to Japan?"),
    ("Do not forget to", "lock the door."), ("I want to buy", "a new bicycle."), ("Which team won", "the game last night?"),
    ("Turn the heating up", "to twenty one degrees."), ("Add sugar", "and flour to the list."),
    ("Is there a pharmacy", "that is open on Sunday?"), ("What should I cook", "for dinner tonight?"),
    ("Call Anna", "and tell her I am on my way."), ("Set the volume", "to thirty percent."), ("Tell me a joke", "about a doctor."),
    ("I like coffee", "but not in the evening."), ("Wake me", "at half past five."), ("Can you read", "the last message again?"),
    ("The train leaves", "at nine fifteen."), ("Close the blinds", "in the living room."), ("What is the capital", "of New Zealand?"),
    ("Show me the way", "to the museum."), ("Play the song", "that I heard yesterday."), ("How old is", "the universe?"),
    ("Write a note", "that says buy batteries."), ("I will be home", "around eight."), ("My brother works", "for a bank in London."),
    ("How do you say", "thank you in Italian?"), ("Please order", "two pizzas with mushrooms."), ("Did the mail", "come today?"),
    ("Take me", "to the nearest gas station."), ("Is your name", "Nabu?"), ("Start a timer", "for twelve minutes."))
DICTATED = (
    ("The number is eight, one,", "six, six, two."), ("My email is J, O,", "H, N at home."), ("It starts with S, T,", "U, V."),
    ("One, two, three,", "four, five."), ("The pin is nine, nine,", "one, four."), ("Um,", "where is the nearest bank?"),
    ("I would like, uh,", "a glass of water."), ("So, um,", "what is on television tonight?"),
    ("We have apples, pears,", "plums and grapes."), ("Spell it with a C, K,", "not with a G."), ("Let me think,", "maybe a pizza."),
    ("Hmm,", "is it going to rain?"), ("Twelve, fourteen,", "sixteen, eighteen."), ("January, February,", "March, April."),
    ("The ticket is A, four,", "B, nine."), ("Could you, um,", "turn the music down?"), ("Well,", "I am not sure about that."),
    ("Buy bread, butter,", "jam and honey."), ("Dial zero, one, five,", "seven, seven, three."), ("Her name is spelled L, I,", "S, A."),
    ("It is, er,", "the second door on the left."), ("Flight K, L,", "six, four, two."), ("Okay so,", "what happens if I leave it open?"),
    ("Red, yellow,", "blue and white."))
QUESTIONS = (
    "What is the tallest mountain in the world?", "Turn on the light in the bedroom.", "Set a timer for five minutes.",
    "Remind me to call my doctor tomorrow.", "How is the weather today?", "Play some jazz.", "What time is it in Tokyo?",
    "Add milk to the shopping list.", "Who was Albert Einstein?", "How many legs does a spider have?", "Tell me a fun fact.",
    "Can you help me with my homework?", "I would like to hear a story.", "Where is the nearest restaurant?", "Stop the music, please.",
    "What did you say?", "Open the window.", "Is it going to rain tomorrow?", "How do airplanes fly?", "What is the meaning of life?",
    "I am feeling tired today.", "Give me an idea for dinner.", "When does spring begin?", "What are you doing?", "Please turn it off.",
    "Make it a little louder.", "Where do you come from?", "Why is the grass green?", "Good morning, how are you?",
    "Which animal is the fastest?", "How do I clean my glasses?", "What is it made of?", "Let me know when it is done.",
    "Do you like music?", "I want a large coffee with milk.", "Please call my sister.", "Lock the front door.", "That is all for now.",
    "What is this song called?", "How much is twenty dollars in euros?")


def training(shared: Path, tts: Tts, seed: int = 77) -> list[tuple[Utterance, bool]]:
    """(utterance, noisy)."""
    orders = _left(clips(shared, "commands", ALL, "order"), [*clips(shared, "commands", COMPLETE["orders"], "order"),
                                                             *clips(shared, "commands", PAUSED["spliced"], "order", offset=1)])
    recorded = _left(clips(shared, "stt", ALL, "recorded"), clips(shared, "stt", COMPLETE["recorded"], "recorded"))
    lengths = np.random.default_rng(seed)

    def pause() -> float:
        return float(lengths.uniform(*PAUSES_S))

    said = [*orders, *recorded, *(question(tts, text) for text in QUESTIONS), *(splice(order, pause()) for order in orders),
            *(hesitation(tts, one, other, pause()) for one, other in HESITATIONS),
            *(hesitation(tts, one, other, pause(), "dictated") for one, other in DICTATED)]
    kitchen = audio.read(shared / "audio" / "noise" / "kitchen.flac", RATE)
    return [(each, False) for each in said] + [(with_noise(each, kitchen, SNR_DB, number), True) for number, each in enumerate(said)]


def _left(found: list[Utterance], taken: list[Utterance]) -> list[Utterance]:
    names = {each.name for each in taken}
    return [each for each in found if each.name not in names]
