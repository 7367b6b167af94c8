"""Lists by voice."""

from __future__ import annotations

import pytest

from edgevoice.skills.lists import MOST_ENTRIES, Lists, obey, order


def talk(*said: str, lists: Lists | None = None) -> tuple[Lists, str]:
    """The lists at the end and the last answer, "" where the words are for others."""
    lists, answer = lists or {}, ""
    for text in said:
        found = order(text, lists)
        lists, answer = (lists, "") if found is None else obey(lists, found)
    return lists, answer


FULL: Lists = {"shopping": ("milk", "eggs", "two liters of juice"), "to-do": ("call the dentist",)}


@pytest.mark.parametrize(("text", "answer"), [
    ("What's on my shopping list?", "On the shopping list: milk, eggs and two liters of juice."),
    ("Read my to do list.", "On the to-do list: call the dentist."), ("what is on the guest list", "There is nothing on the guest list."),
    ("Add bread, some butter and the cheese to the list.", "I have put bread, butter and cheese on the shopping list."),
    ("At bread to the shopping list.", "I have put bread on the shopping list."),
    ("Claire the shopping list.", "The shopping list is empty now."),
    ("please put milk on my shopping list", "That is on the shopping list already."),
    ("add a letter to mum to my to-do list", "I have put letter to mum on the to-do list."),
    ("take the egg off the shopping list", "I have taken eggs off the shopping list."),
    ("Take juice off.", "I have taken two liters of juice off the shopping list."),
    ("cross off the dentist", "I have taken call the dentist off the to-do list."),
    ("remove rice from the shopping list", "There is no rice on the shopping list."),
    ("is milk on the shopping list", "Yes, on the shopping list."), ("are rice and milk on the list", "Only milk, on the shopping list."),
    ("clear the shopping list", "The shopping list is empty now."), ("take everything off the to do list", "The to-do list is empty now."),
    ("take off your coat", ""), ("list the planets", ""), ("add it up", ""), ("take the rice off", ""), ("add two and two", ""),
    ("put the kettle on", ""), ("what is on television", ""), ("clear the table", "")])
def test_one_sentence(text: str, answer: str) -> None:
    assert talk(text, lists=FULL)[1] == answer


def test_a_list_begins_with_its_first_entry_and_ends_with_its_clearing() -> None:
    lists, _ = talk("add milk and eggs to the shopping list", "put call mum on my to do list")
    assert lists == {"shopping": ("milk", "eggs"), "to-do": ("call mum",)}
    assert talk("clear the to-do list", "take milk off", lists=lists)[0] == {"shopping": ("eggs",)}


def test_there_is_an_end_to_a_list() -> None:
    lists: Lists = {"shopping": tuple(f"thing {n}" for n in range(MOST_ENTRIES))}
    assert talk("add milk to the shopping list", lists=lists) == (lists, "There is no more room on the shopping list.")
    many: Lists = {f"list {n}": ("milk",) for n in range(20)}
    assert talk("add milk to the shopping list", lists=many) == (many, "I can't keep more lists.")
    assert talk(f"add {'milk ' * 20}to the shopping list") == ({}, "")
