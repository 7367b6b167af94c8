"""Configuration files: what is accepted, what is refused, and that each mistake is told with its line."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice import config
from edgevoice.cli.dispatch import dispatch
from edgevoice.errors import ConfigError
from edgevoice.settings import Settings
from edgevoice.settings_rules import RULES
from edgevoice.tomltext import as_toml, statements

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ("default", "pi4", "pi5", "jetson-orin", "dev")

FRAGMENTS = st.sampled_from([
    "[audio]", "[vad]", "[x.y]", "[[llm]]", "[audio", "rate = 16000", "rate = ", 'input = "a # b"', "input = 'it''s'", 'input = """', '"""',
    "'''", "words = [", '"a",', "]", "# note", "", "audio.rate = 8000", "audio = {rate = 8000}", "{", "}", '"', "\\", "=", "onset = 1 # x"])
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))

MISFITS = [
    ("[audio]\nchannels = 2\nchannel = 3", 3, "audio.channel"),
    ('[audio]\nbackend = "pyaudio"\nclocks = "two"', 3, "audio.clocks"),
    ("[vad]\nonset = 0.3\noffset = 0.4", 3, "vad.offset"),
    ("[vad]\nonset = 0.3", 2, "vad.offset"),
    ("[audio]\nhop_ms = 7\nrate = 22050", 2, "audio.hop_ms"),
    ("[audio]\nlatency_ms = 900\ncapture_ms = 1000", 2, "audio.latency_ms"),
    ("[wake]\nwords = []", 2, "wake.words"),
    ('[wake]\nkeywords = ["hey kitchen"]', 2, "wake.keywords"),
    ('[wake]\nenabled = false\n[dialog]\nbarge_in = "wake"', 4, "dialog.barge_in"),
    ("[dialog]\nendpoint_ms = 120", 2, "dialog.endpoint_ms"),
    ("[dialog]\nendpoint_min_ms = 1300", 2, "dialog.endpoint_min_ms"),
    ("[dialog]\npause_ms = 900", 2, "dialog.pause_ms"),
    ("[llm]\ncontext = 300\nmax_tokens = 280", 3, "llm.max_tokens"),
    ("[tts]\nmax_chunk_words = 4\n[dialog]\nfirst_chunk_words = 9", 4, "dialog.first_chunk_words"),
    ('[mqtt]\nid = "kitchen/1"', 2, "mqtt.id"),
    ('[mqtt]\nprefix = ""', 2, "mqtt.prefix"),
    ('[mqtt]\ndiscovery_prefix = "home/+"', 2, "mqtt.discovery_prefix"),
    ('[mqtt]\ntls = true\ncert_file = "c.pem"', 3, "mqtt.cert_file"),
    ('[mqtt]\nca_file = "ca.pem"', 2, "mqtt.tls"),
    ('[http]\nenabled = true\naddress = "0.0.0.0"', 3, "http.address"),
    ('[http]\ncert_file = "c.pem"', 2, "http.cert_file"),
    ('[wyoming]\nenabled = true\naddress = "0.0.0.0"', 3, "wyoming.address"),
    ('[wyoming]\nallow = ["192.168.1.0/24", "home.local"]', 2, "wyoming.allow"),
    ('[wyoming]\nenabled = true\nsatellite = true\n[wake]\nenabled = false', 3, "wyoming.satellite"),
    ('[skills]\ntimezone = "Europe/Nowhere"', 2, "skills.timezone"),
    *((f'[tools]\ntopics = ["house/+/light/#", "{topic}"]', 2, "tools.topics") for topic in ("a/#/b", "a#", "a/b+", "")),
    ('[update]\npublic_keys = ["c2hvcnQ="]', 2, "update.public_keys"),
]


def check(path: Path) -> list[config.Problem]:
    """Every mistake in the file."""
    return config.read(path)[1]


def problems(tmp_path: Path, text: str) -> list[str]:
    """Each problem without the file's name."""
    path = tmp_path / "c.toml"
    path.write_bytes(text.encode())
    return [str(problem).removeprefix(f"{path}:") for problem in check(path)]


def loaded(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "c.toml"
    path.write_bytes(text.encode())
    return config.load(path)


class TestAccepted:
    @pytest.mark.parametrize("topic", ["#", "+", "a", "a/b", "/a", "a//b", "+/a/+/#", "a/#"])
    def test_every_filter_that_mqtt_has(self, tmp_path: Path, topic: str) -> None:
        assert loaded(tmp_path, f'[tools]\ntopics = ["{topic}"]').tools.topics == [topic]

    @pytest.mark.parametrize("text", ["", "# only a comment\n", "\ufeff[audio]\n", "[audio]\r\nrate = 16000\r\n"])
    def test_silence_means_the_defaults(self, tmp_path: Path, text: str) -> None:
        assert loaded(tmp_path, text) == Settings()

    @pytest.mark.parametrize("text", [
        "[audio]\nrate = 48000", "audio.rate = 48000", "audio = { rate = 48000 }",
        '["audio"]\n"rate" = 48_000 # Hz', "[ audio ]\nrate=0xBB80"])
    def test_any_way_of_writing_the_same(self, tmp_path: Path, text: str) -> None:
        assert loaded(tmp_path, text).audio.rate == 48000

    def test_a_whole_number_where_any_number_may_stand_becomes_a_float(self, tmp_path: Path) -> None:
        speed = loaded(tmp_path, "[tts]\nspeed = 2").tts.speed
        assert isinstance(speed, float) and speed == 2.0

    def test_values_over_several_lines(self, tmp_path: Path) -> None:
        words, prompt = '[ # two\n  "okay_nabu", # ]\n  "]#",\n]', '"""\na = 1 "" ]\n[b]"""'
        settings = loaded(tmp_path, f"[wake]\nwords = {words}\n[llm]\nsystem_prompt = {prompt}\n")
        assert settings.wake.words == ["okay_nabu", "]#"]
        assert settings.llm.system_prompt == 'a = 1 "" ]\n[b]'


class TestRefused:
    @pytest.mark.parametrize(("text", "expected"), [
        ("[vda]\nonset = 0.4", "1: [vda] is not a section; did you mean 'vad'?"),
        ("[zzz]",
         "1: [zzz] is not a section; sections are audio, vad, wake, stt, llm, tts, dialog, mqtt, http, wyoming, lend, home, health, "
         "faults, safety, skills, tools, privacy, update, paths"),
        ("[vad]\nonsett = 0.4", "2: vad.onsett = 0.4: is not a setting; did you mean 'onset'?"),
        ("[vad]\n\nrate = 1", "3: vad.rate = 1: is not a setting; it belongs to [audio]"),
        ("[paths]\nqqqq = 1", "2: paths.qqqq = 1: is not a setting; [paths] knows models"),
        ("rate = 8000", "1: rate = 8000: stands above the first section; put it under [audio]"),
        ("[audio]\nrate = 1", "2: audio.rate = 1: is too small; must be 8000 to 192000 Hz"),
        ("[audio]\nrate = 999999", "2: audio.rate = 999999: is too large; must be 8000 to 192000 Hz"),
        ("[audio]\nrate = 16e3", "2: audio.rate = 16000.0: is not a whole number; a whole number, 8000 to 192000 Hz, such as 16000"),
        ("[audio]\nrate = true", "2: audio.rate = true: is not a whole number; a whole number, 8000 to 192000 Hz, such as 16000"),
        ("[tts]\nspeed = nan", "2: tts.speed = nan: is not a number; a number, 0.5 to 2.0, such as 1.0"),
        ("[tts]\nspeed = inf", "2: tts.speed = inf: is not a number; a number, 0.5 to 2.0, such as 1.0"),
        ("[wake]\nenabled = 1", "2: wake.enabled = 1: is not true or false; true or false, such as true"),
        ("[stt]\nmodel = 3", '2: stt.model = 3: is not text in quotes; text in quotes, such as "moonshine-tiny-en"'),
        ('[wake]\nwords = "okay_nabu"',
         '2: wake.words = "okay_nabu": is not a list of texts in quotes; a list of texts in quotes, such as ["okay_nabu"]'),
        ('[wake]\nwords = ["a", 1]',
         '2: wake.words = ["a", 1]: is not a list of texts in quotes; a list of texts in quotes, such as ["okay_nabu"]'),
        ('[dialog]\nbarge_in = "speach"', "2: dialog.barge_in = \"speach\": is not one of the choices; did you mean 'speech'?"),
        ('[dialog]\nbarge_in = "x"', '2: dialog.barge_in = "x": is not one of the choices; "off", "wake" or "speech"'),
        ("[vad]\nonset = 0.4\nonset = 0.6", "3: vad.onset = 0.6: stands twice (first on line 2); keep one"),
        ("[vad]\n[audio]\n[vad]", "3: [vad] stands twice (first on line 1); join the two"),
        ("[[vad]]", "1: [[vad]] makes a list of sections; write [vad]"),
        ("[audio.x]\ny = 1", "1: [audio.x] is not a section; did you mean 'audio'?"),
        ("[audio]\ninput = USB mic", '2: audio.input = USB mic: not TOML: invalid value; text stands in quotes: input = "USB mic"'),
        ("[wake]\nenabled = True", "2: wake.enabled = True: not TOML: invalid value; write true"),
        ("[audio]\nrate =", "2: audio.rate = : not TOML: invalid value; give a value, or take the line out"),
        ("[audio]\nrate", "2: not TOML: expected '=' after a key in a key/value pair, in 'rate'; a setting is written key = value"),
        ("[audio\nrate = 8000", "1: not TOML: expected ']' at the end of a table declaration, in '[audio'; a section is written [name]"),
        ('[audio]\ninput = "x', '2: audio.input = "x: not TOML: unterminated string; see that quotes and brackets are closed and items are '
                                'parted by commas'),
    ])
    def test_one_mistake_is_told_with_line_key_value_and_remedy(self, tmp_path: Path, text: str, expected: str) -> None:
        assert problems(tmp_path, text) == [expected]

    def test_all_mistakes_at_once_in_the_order_of_their_lines(self, tmp_path: Path) -> None:
        text = '[vad]\nonset = 2\noffset = "a"\n[audio]\nrate = x\nhop = 1\n[wake]\nwords = ["a",\n[llm]\nseed = -1\nlora = """open\n'
        told = problems(tmp_path, text)
        assert [line.split(":")[0] for line in told] == ["2", "3", "5", "6", "8", "10", "11"]
        path = tmp_path / "c.toml"
        with pytest.raises(ConfigError) as caught:
            config.load(path)
        assert [line.removeprefix(f"{path}:") for line in caught.value.problems] == told

    def test_a_quote_never_closed_hides_nothing_after_it(self, tmp_path: Path) -> None:
        assert len(problems(tmp_path, "[llm]\nsystem_prompt = '''x\nseed = -1\n[vad]\nonset = 7")) == 3

    @pytest.mark.parametrize(("text", "line", "key"), MISFITS)
    def test_settings_that_do_not_fit_together(self, tmp_path: Path, text: str, line: int, key: str) -> None:
        told = check(_written(tmp_path, text))
        assert [(problem.line, problem.key) for problem in told] == [(line, key)]

    def test_every_rule_between_settings_is_tried_above(self) -> None:
        assert {rule.keys[0] for rule in RULES} == {key for _, _, key in MISFITS}

    def test_a_rule_is_silent_where_one_of_its_keys_is_wrong_by_itself(self, tmp_path: Path) -> None:
        assert [problem.key for problem in check(_written(tmp_path, "[vad]\nonset = 0.1\noffset = 3"))] == ["vad.offset"]


class TestNotAConfiguration:
    def test_absent(self, tmp_path: Path) -> None:
        (told,) = check(tmp_path / "none.toml")
        assert (told.line, told.wrong) == (0, "no such file or directory")

    def test_a_folder(self, tmp_path: Path) -> None:
        assert check(tmp_path)[0].wrong == "is a directory"

    def test_endless(self) -> None:
        assert "over 1,000,000 bytes" in check(Path("/dev/zero"))[0].wrong

    def test_not_text(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.write_bytes(b"# fine\n\xff\xfe")
        assert str(check(path)[0]) == f"{path}:2: is not UTF-8 text; save the file as UTF-8"

    def test_some_other_text_is_told_in_one_line(self) -> None:
        assert [problem.wrong.split(" (")[0] for problem in check(ROOT / "LICENSE")] == ["is not a configuration file"]


    @pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a." * 50_000 + "a = 1", "a = [\n" * 50_000, '"' * 500_000, "[" * 500_000])
    def test_nonsense_of_any_length_is_told_and_is_not_looked_at_for_long(self, tmp_path: Path, text: str) -> None:
        assert len(str(check(_written(tmp_path, text))[0])) < 400


class TestOver:
    """A second file whose keys count instead of the first one's."""

    def two(self, tmp_path: Path, own: str, over: str) -> tuple[Path, Path]:
        for name, text in (("own.toml", own), ("over.toml", over)):
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / "own.toml", tmp_path / "over.toml"

    def test_what_it_names_counts_and_the_rest_stays(self, tmp_path: Path) -> None:
        own, over = self.two(tmp_path, '[llm]\nmodel = "mine"\nmax_tokens = 20\n[mqtt]\nhost = "broker"\n', '[llm]\nmodel = "new"\n')
        made = config.load_over(own, over)
        assert (made.llm.model, made.llm.max_tokens, made.mqtt.host) == ("new", 20, "broker")
        assert config.load_over(None, over).llm.max_tokens == 96
        assert config.keys_of(over) == {"llm.model": "new"}

    def test_what_does_not_fit_together_is_told_where_it_stands(self, tmp_path: Path) -> None:
        own, over = self.two(tmp_path, "[vad]\noffset = 0.45\n", "[vad]\n\nonset = 0.4\n")
        (told,) = config.read(own, over)[1]
        assert str(told).startswith(f"{own}:2: vad.offset = 0.45: is not below vad.onset (0.4)")

    def test_mistakes_of_both_are_told(self, tmp_path: Path) -> None:
        own, over = self.two(tmp_path, "[vad]\nonset = 7\n", "[audio]\nrate = 1\n")
        assert [problem.key for problem in config.read(own, over)[1]] == ["vad.onset", "audio.rate"]

    def test_one_that_cannot_be_read(self, tmp_path: Path) -> None:
        own, _ = self.two(tmp_path, "[vad]\nonset = 0.3\n", "")
        (told,) = config.read(own, tmp_path / "none.toml")[1]
        assert told.wrong == "no such file or directory"


class TestWrittenBack:
    def test_the_defaults(self, tmp_path: Path) -> None:
        assert loaded(tmp_path, config.to_toml(Settings())) == Settings()

    @given(ANY_TEXT, st.lists(ANY_TEXT))
    def test_any_text_survives(self, text: str, words: list[str]) -> None:
        for value in (text, words):
            assert tomllib.loads(f"x = {as_toml(value, wrap=True)}")["x"] == value

    def test_a_long_text_is_wrapped_and_survives(self) -> None:
        text = ("Answer in \"short\" sentences, never use the path C:\\new, and say so if you do not know. " * 4).strip()
        written = as_toml(text, wrap=True)
        assert max(map(len, written.split("\n"))) <= 110
        assert tomllib.loads(f"x = {written}")["x"] == text

    def test_each_setting_is_explained_above_it(self) -> None:
        lines = config.to_toml(Settings()).split("\n")
        sections = typing.get_type_hints(Settings)
        for name, cls in sections.items():
            assert lines[lines.index(f"[{name}]") - 1].startswith("# ")
            for field in dataclasses.fields(cls):
                index = next(i for i, line in enumerate(lines) if line.startswith(f"{field.name} = ") and i > lines.index(f"[{name}]"))
                assert lines[index - 1].startswith("# ")


class TestStatements:
    @given(st.lists(FRAGMENTS, max_size=12).map("\n".join))
    def test_nothing_makes_it_fail_and_what_is_not_toml_is_never_accepted(self, text: str) -> None:
        reading, told = config._judged([config._gathered_text("f", text)])
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            assert told
        assert isinstance(reading, Settings)

    @given(st.lists(st.tuples(st.integers(0, 2), st.one_of(
        st.integers(), st.booleans(), ANY_TEXT, st.lists(st.text("ab[]#\"'=\n", max_size=5)))), max_size=8))
    def test_each_statement_knows_its_line_and_is_whole(self, values: list[tuple[int, typing.Any]]) -> None:
        text, starts = "", []
        for index, (blank, value) in enumerate(values):
            text += "\n" * blank
            starts.append(text.count("\n") + 1)
            written = as_toml(value, wrap=True)
            text += f"k{index} = " + (written.replace(", ", ",\n  ") if isinstance(value, list) else written) + " # end\n"
        got = list(statements(text))
        assert [statement.line for statement in got] == starts
        assert [next(iter(tomllib.loads(statement.text))) for statement in got] == [f"k{i}" for i in range(len(values))]


class TestProfiles:
    @pytest.mark.parametrize("name", PROFILES)
    def test_is_without_mistakes(self, name: str) -> None:
        config.load(ROOT / "configs" / f"{name}.toml")

    def test_default_is_what_the_program_prints(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["check-config", "--print"]) == 0
        assert (ROOT / "configs" / "default.toml").read_text(encoding="utf-8") == capsys.readouterr().out

    @pytest.mark.parametrize("name", [name for name in PROFILES if name != "default"])
    def test_the_others_say_only_what_differs_and_why(self, name: str) -> None:
        text = (ROOT / "configs" / f"{name}.toml").read_text(encoding="utf-8")
        lines = text.split("\n")
        defaults = dataclasses.asdict(Settings())
        for section, values in tomllib.loads(text).items():
            for key, value in values.items():
                assert value != defaults[section][key], f"{section}.{key} is the default"
                index = next(i for i, line in enumerate(lines) if line.startswith(f"{key} = "))
                assert lines[index - 1].startswith("# "), f"{section}.{key} is not explained"


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "c.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_check_config_knows_what_the_file_cannot_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[wake]\nwords = ["okay_nabu", "hey_moon"]\n[tts]\nlexicon = "/nowhere/words.txt"\n', encoding="utf-8")
    assert dispatch(["check-config", str(file), "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert not told["ok"] and [problem["key"] for problem in told["problems"]] == ["wake.words", "tts.lexicon"]
    assert "'hey_moon' is unknown" in told["problems"][0]["wrong"] and "okay_nabu" in told["problems"][0]["right"]
    file.write_text('[home]\nfile = "/nowhere/house.toml"\nsentences = "/nowhere"\n', encoding="utf-8")
    assert dispatch(["check-config", str(file), "--json"]) == 3
    assert [problem["key"] for problem in json.loads(capsys.readouterr().out)["problems"]] == ["home.file", "home.sentences"]
    file.write_text('[wake]\nfolder = "/nowhere"\n', encoding="utf-8")
    assert dispatch(["check-config", str(file)]) == 3
    assert f"{file}: wake.folder = /nowhere: no such folder; it should hold" in capsys.readouterr().err
    file.write_text('[wake]\nwords = ["okay_nabu"]\n', encoding="utf-8")
    assert dispatch(["check-config", str(file)]) == 0
