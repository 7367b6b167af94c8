"""Every setting of the product: its default, its unit, its bounds and one sentence, in one place.

Laws: settings are frozen; a section of a configuration file is a dataclass here and a key is a field, with nothing hidden beside
them.  ``config.py`` reads files into these types and checks them by the metadata given here; documentation is drawn from it too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def key(default: Any, doc: str, *, low: float | None = None, high: float | None = None,
        choices: tuple[str, ...] | None = None, unit: str = "") -> Any:
    """A field with what the checker and the documentation need to know of it."""
    metadata = {"doc": doc, "low": low, "high": high, "choices": choices, "unit": unit}
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """Sound in and out."""

    backend: str = key("portaudio", "which device table is used; virtual is a card that is not there, for tests",
                       choices=("portaudio", "pyaudio", "virtual"))
    input: str = key("", "input device: its index, or part of its name; empty for the system's default. Of the virtual card: a WAV file "
                         "that its microphone hears again and again, or empty for silence")
    output: str = key("", "output device: its index, or part of its name; empty for the system's default")
    clocks: str = key(
        "auto", "microphone and loudspeaker on one clock or on two: auto takes one for a single device or ALSA card, two for other pairs. "
        "Two are drawn together, some 25 ms later; set it where one name, as a sound server's, stands for two cards",
        choices=("auto", "one", "two"))
    channels: int = key(1, "channels that are captured: more than 1 for an array of microphones", low=1, high=32)
    channel: int = key(0, "which of them is heard, the first being 1; 0 for their mean", low=0, high=32)
    rate: int = key(16000, "device sample rate", low=8000, high=192000, unit="Hz")
    hop_ms: int = key(10, "one hop: the unit in which audio is handed on", low=5, high=40, unit="ms")
    capture_ms: int = key(4000, "capture ring: how long the workers may stall before audio is dropped", low=500, high=60000, unit="ms")
    playback_ms: int = key(8000, "playback ring: how far synthesis may run ahead of the loudspeaker", low=100, high=30000, unit="ms")
    latency_ms: int = key(100, "latency asked of the sound system for capture", low=5, high=1000, unit="ms")
    volume: float = key(1.0, "gain of all sound", low=0.0, high=4.0)
    voice_volume: float = key(1.0, "gain of answers", low=0.0, high=4.0)
    announcement_volume: float = key(1.0, "gain of announcements", low=0.0, high=4.0)
    alarm_volume: float = key(1.0, "gain of alarms", low=0.0, high=4.0)
    earcon_volume: float = key(1.0, "gain of earcons", low=0.0, high=4.0)
    duck_db: float = key(-12.0, "by how much a voice is lowered while an alarm or an earcon sounds over it", low=-60.0, high=0.0, unit="dB")
    muted: bool = key(False, "begin with the microphone muted")
    cancel_echo: bool = key(True, "take the loudspeaker's own sound out of what the microphone heard")
    stretch: bool = key(True, "play a reply slower while its next words are late, and fade where none come; false plays exactly what comes")
    hold_ms: int = key(0, "longest wait before a reply begins, where stretch is on and words have come too late for that to hide",
                       low=0, high=1000, unit="ms")


@dataclass(frozen=True, slots=True)
class VadSettings:
    """Voice activity."""

    model: str = key("silero-vad", "model name or folder")
    onset: float = key(0.5, "probability at which speech begins", low=0.01, high=0.99)
    offset: float = key(0.35, "probability below which speech may be over", low=0.01, high=0.99)
    min_speech_ms: int = key(64, "speech shorter than this is not speech", low=0, high=2000, unit="ms")
    hangover_ms: int = key(160, "silence that ends a speech segment", low=32, high=5000, unit="ms")
    preroll_ms: int = key(400, "audio kept from before the onset", low=0, high=3000, unit="ms")


@dataclass(frozen=True, slots=True)
class WakeSettings:
    """Wake words."""

    enabled: bool = key(True, "without it every utterance is taken as meant for the device")
    words: list[str] = key(["okay_nabu"], "microWakeWord models, by name or the path of their .json; several at once")
    folder: str = key("", "folder of microWakeWord models of your own, whose names may then stand in wake.words")
    keywords: list[str] = key([], "words of your own as they are spoken, such as \"hey kitchen\"; they want wake.keyword_model")
    keyword_model: str = key("", "streaming transducer that hears wake.keywords: name in the model store or folder")
    sensitivity: float = key(0.5, "0 hears the fewest words that were not said, 1 misses the fewest that were; 0.5 is each model's own",
                             low=0.0, high=1.0)
    threshold: float = key(0.0, "score at which a microWakeWord counts, in place of the sensitivity; 0 for not", low=0.0, high=1.0)
    refractory_ms: int = key(1500, "after a hit, deaf to the wake word for this long", low=0, high=10000, unit="ms")


@dataclass(frozen=True, slots=True)
class SttSettings:
    """Speech to text."""

    model: str = key("moonshine-tiny-en", "model name or folder")
    final_model: str = key("", "model that sees whole utterances and settles the words where stt.model streams; empty for none")
    threads: int = key(1, "threads for decoding", low=1, high=16)
    partial_cpu: float = key(0.25, "share of one core that partial transcripts of an offline model may use", low=0.01, high=1.0)
    hotwords: list[str] = key([], "words to favour, where the model can")


@dataclass(frozen=True, slots=True)
class LlmSettings:
    """The language model."""

    model: str = key("smollm2-135m-instruct", "model name, folder or .gguf file")
    system_prompt: str = key(
        "You are a friendly voice assistant. You answer every question in one short sentence.",
        "what the model is told before every conversation")
    place: str = key("", "where the device stands, such as \"Berlin in Germany\": told to the model with questions about it")
    clock: bool = key(True, "tell the model the time and the day with questions about them")
    context: int = key(1024, "context window", low=256, high=131072, unit="tokens")
    max_tokens: int = key(96, "longest reply", low=1, high=8192, unit="tokens")
    threads: int = key(0, "threads; 0 for the machine's cores less one", low=0, high=64)
    gpu_layers: int = key(0, "layers on the GPU, where llama.cpp was built for one", low=0, high=999)
    temperature: float = key(0.0, "0 always takes the likeliest token", low=0.0, high=2.0)
    top_k: int = key(40, "sample from this many likeliest tokens", low=0, high=1000)
    top_p: float = key(0.95, "sample from the likeliest tokens up to this probability", low=0.0, high=1.0)
    min_p: float = key(0.05, "drop tokens less likely than this share of the likeliest", low=0.0, high=1.0)
    repeat_penalty: float = key(1.1, "1 for none", low=1.0, high=2.0)
    dry_multiplier: float = key(1.5, "keeps the model from saying the same words again at length, also those of earlier replies; 0 for not",
                                low=0.0, high=5.0)
    seed: int = key(0, "for sampling", low=0, high=2**31 - 1)
    prompt_cache: bool = key(True, "keep the system prompt's KV state on disk beside the model")


@dataclass(frozen=True, slots=True)
class TtsSettings:
    """Text to speech."""

    model: str = key("piper-en-us-joe", "model name or folder")
    threads: int = key(1, "threads for synthesis", low=1, high=16)
    speed: float = key(1.0, "1.2 is a fifth faster", low=0.5, high=2.0)
    speaker: int = key(0, "speaker of a model with several", low=0, high=10000)
    lexicon: str = key("", "file of pronunciations, a line each: word, tab, IPA or spelling")
    max_chunk_words: int = key(16, "longest text handed to the synthesizer at once; memory grows with it", low=4, high=60, unit="words")


@dataclass(frozen=True, slots=True)
class DialogSettings:
    """Turn-taking."""

    endpointing: str = key("semantic", "when the user's turn is over: by sound and words, or after a fixed silence",
                           choices=("semantic", "fixed"))
    turn_model: str = key("smart-turn-v3.2", "model that hears whether a turn is over: name or folder; empty for none")
    endpoint_ms: int = key(600, "silence after speech that ends the user's turn, where it is fixed or nothing is known", low=100, high=5000,
                           unit="ms")
    endpoint_min_ms: int = key(150, "the same where sound and words say that nothing follows", low=50, high=5000, unit="ms")
    endpoint_max_ms: int = key(1200, "the same where they say that more follows", low=100, high=10000, unit="ms")
    endpoint_sound: float = key(1.0, "how much the sound counts in this, times the weight that was measured to do best; 0 for not at all",
                                low=0.0, high=3.0)
    endpoint_language: float = key(1.0, "the same for the language model's opinion whether a sentence ends here", low=0.0, high=3.0)
    max_utterance_s: float = key(30.0, "longest turn of the user", low=2.0, high=120.0, unit="s")
    listen_timeout_s: float = key(6.0, "after the wake word, how long to wait for speech", low=1.0, high=60.0, unit="s")
    followup_s: float = key(6.0, "after a reply, how long speech is heard without the wake word", low=0.0, high=60.0, unit="s")
    barge_in: str = key("speech", "what may interrupt a reply", choices=("off", "wake", "speech"))
    barge_in_words: int = key(2, "words over the reply that interrupt it while they are spoken; \"mm-hm\" and the like are none, \"stop\" "
                              "needs no second", low=1, high=10, unit="words")
    barge_in_ms: int = key(1200, "speech over the reply that interrupts it after this long, if its words are not known to be assent",
                           low=200, high=10000, unit="ms")
    go_on_ms: int = key(320, "speech, while the answer is thought of, that adds to the question", low=50, high=3000, unit="ms")
    pause_ms: int = key(80, "silence after speech at which what was said is written down, since the turn may be over", low=32, high=2000,
                        unit="ms")
    speculation: bool = key(True, "read the user's words while they are spoken, and make the answer while it is awaited whether more come")
    speculation_attempts: int = key(4, "most answers made before one turn is over", low=1, high=20)
    speculation_budget: float = key(0.15, "share of one core's time, averaged over a minute, that answers nobody hears may take",
                                    low=0.0, high=4.0)
    speculation_max_celsius: int = key(80, "no answer is made ahead while the device is this hot; 0 for never mind", low=0, high=120,
                                       unit="degrees Celsius")
    earcons: bool = key(True, "short tones when listening begins and when something failed")
    max_turns: int = key(12, "turns of history kept", low=0, high=200)
    first_chunk_words: int = key(4, "most words in the first piece given to the synthesizer", low=2, high=12)

    @property
    def hears_turn_ends(self) -> bool:
        """Whether a model is asked when the user's turn is over."""
        return self.endpointing == "semantic" and bool(self.turn_model)


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """The broker that the house speaks with."""

    host: str = key("", "name or address of the broker; empty for no MQTT")
    port: int = key(0, "its port; 0 for 1883, or 8883 with TLS", low=0, high=65535)
    protocol: str = key("5", "version of MQTT", choices=("5", "3.1.1"))
    id: str = key("", "this device in every topic: letters, digits, - and _; empty for one made of the host's name and its machine id")
    name: str = key("", "what people call it, in Home Assistant; empty for the host's name")
    prefix: str = key("edgevoice", "first level of every topic")
    username: str = key("", "user at the broker")
    password_file: str = key(
        "", "file that holds the password and nothing else; empty for the systemd credential mqtt-password, where there is one")
    tls: bool = key(False, "speak TLS")
    ca_file: str = key("", "certificates (PEM) of who may vouch for the broker; empty for the system's")
    cert_file: str = key("", "this device's certificate (PEM), where the broker asks for one")
    key_file: str = key("", "its key (PEM)")
    keepalive_s: int = key(15, "silence after which the connection is tested; twice that finds a dead one", low=5, high=3600, unit="s")
    session_s: int = key(60, "commands sent while the device was away for no longer are kept for it by the broker (MQTT 5)",
                         low=0, high=86400, unit="s")
    words: bool = key(False, "publish what was said and answered; otherwise events and replies carry lengths and times")
    commands_per_s: int = key(10, "commands obeyed in a second, on average; five times that of those that stop something; 0 for any number",
                              low=0, high=10000, unit="commands")
    health_s: int = key(30, "between two reports of health where nothing changes", low=1, high=3600, unit="s")
    events: int = key(5000, "events kept on the disk while the broker is away; past that the oldest go", low=0, high=1000000)
    folder: str = key("", "where they are kept; empty for $STATE_DIRECTORY, else $XDG_STATE_HOME/edgevoice, else ~/.local/state/edgevoice")
    discovery: bool = key(True, "let Home Assistant find the device")
    discovery_prefix: str = key("homeassistant", "topic under which it looks")


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The device over HTTP: ask it, command it, follow what happens."""

    enabled: bool = key(False, "serve HTTP")
    address: str = key("127.0.0.1", "where: this machine alone, or :: or 0.0.0.0 for everybody, which wants http.token_file")
    port: int = key(8080, "port; 0 for any that is free", low=0, high=65535)
    token_file: str = key("", "file of tokens, one a line, each followed by its scopes (listen, speak, control, admin) or by none for all; "
                              "empty for no tokens")
    cert_file: str = key("", "TLS certificate (PEM), with its chain; empty for no TLS")
    key_file: str = key("", "its key")
    hosts: list[str] = key([], "names by which browsers may reach it, besides addresses, localhost and the machine's own name")
    words: bool = key(False, "tell in events also what was said; what was asked over HTTP is answered there in any case")
    clients: int = key(32, "connections at once", low=1, high=1000)
    streams: int = key(24, "of these, how many of WS /v1/stream at once", low=1, high=1000)
    conversations: int = key(1, "private conversations at once, over clients' own microphones, each with engines of its own; 0 for none",
                             low=0, high=16)
    conversation_idle_s: float = key(300.0, "after which such a conversation, and the engines that it needed, are dropped", low=1.0,
                                     high=86400.0, unit="s")
    requests_per_s: int = key(20, "requests of one address in a second, on average; five times that of those that stop something; 0 for "
                                  "any number", low=0, high=10000, unit="requests")
    grace_s: float = key(10.0, "how long a reply waits for a client that went away, before it is given up", low=0.1, high=600.0, unit="s")
    heartbeat_s: float = key(15.0, "between two signs of life on a stream on which nothing happens", low=0.1, high=300.0, unit="s")


@dataclass(frozen=True, slots=True)
class WyomingSettings:
    """The device's ears and voice for Home Assistant, by its own protocol; who may use them is known by address alone."""

    enabled: bool = key(False, "serve Wyoming: speech to text, text to speech, wake words")
    address: str = key("127.0.0.1", "where: this machine alone, or :: or 0.0.0.0 for those in wyoming.allow, too")
    port: int = key(10700, "port; 0 for any that is free", low=0, high=65535)
    allow: list[str] = key([], "addresses and networks that may connect, besides this machine, such as 192.168.1.20 or 192.168.1.0/24")
    satellite: bool = key(False, "let a Home Assistant that connects lead the conversation: after the wake word it hears the microphone "
                                 "and answers; the device itself answers only while none is connected")
    area: str = key("", "room that the device stands in, told to Home Assistant")
    clients: int = key(8, "connections at once", low=1, high=100)
    idle_s: float = key(60.0, "after which a connection is closed on which nothing comes", low=1.0, high=3600.0, unit="s")


@dataclass(frozen=True, slots=True)
class LendSettings:
    """The engines, lent to programs over the network: instances of their own, at the lowest priority."""

    enabled: bool = key(True, "lend them, where an edge is enabled that can")
    idle_s: float = key(300.0, "how long one stays in memory that nobody uses", low=1.0, high=86400.0, unit="s")
    waiting: int = key(8, "requests that may wait for each engine, half of them of one client; one more is refused", low=1, high=64)
    max_tokens: int = key(256, "longest reply of the language model that may be asked for, and the usual one", low=1, high=8192,
                          unit="tokens")
    audio_s: float = key(600.0, "longest sound that may be sent to be written down", low=1.0, high=7200.0, unit="s")


@dataclass(frozen=True, slots=True)
class HomeSettings:
    """The house that can be spoken to, over the broker of [mqtt]."""

    learn: bool = key(True, "learn what there is from Home Assistant's discovery topics (mqtt.discovery_prefix)")
    file: str = key("", "TOML file of rooms, things and intents of your own; empty for none")
    area: str = key("", "room that the device stands in: \"the lights\" are that room's; empty to be asked")
    sentences: str = key("", "folder of YAML files with sentences of your own; empty for none")
    forgiving: bool = key(True, "put right what speech to text may have misheard of names and commands; never for what confirm is about")
    confirm: list[str] = key([], "names of things to confirm by voice, besides locks, alarms, ovens, garage and house doors")
    answer_s: float = key(1.0, "how long a thing may take to tell its new state", low=0.1, high=3.0, unit="s")


@dataclass(frozen=True, slots=True)
class FaultSettings:
    """How long an engine may take before somebody is told, and what is done about engines that fail."""

    stt_s: float = key(2.0, "a decode that takes longer than this, and a quarter of the utterance, is given up", low=0.2, high=120.0,
                       unit="s")
    first_token_s: float = key(3.0, "to the first word of an answer", low=0.2, high=300.0, unit="s")
    next_token_s: float = key(4.0, "to each further word", low=0.2, high=300.0, unit="s")
    first_audio_s: float = key(2.0, "to the first sound of an answer, from its first words on", low=0.2, high=300.0, unit="s")
    next_audio_s: float = key(4.0, "to the sound of each further piece", low=0.2, high=300.0, unit="s")
    failures: int = key(3, "failures in a row after which an engine is not asked again before it was loaded anew", low=1, high=100)
    retry_s: float = key(1.0, "pause before that; it doubles each time", low=0.1, high=3600.0, unit="s")
    retry_most_s: float = key(60.0, "longest such pause", low=0.1, high=86400.0, unit="s")
    one_moment_s: float = key(2.5, "after the user's last word, a \"one moment\" where nothing was heard for so long; 0 for none", low=0.0,
                              high=60.0, unit="s")
    phrases_s: float = key(30.0, "sound of fixed sentences kept in memory; 0 for none", low=0.0, high=600.0, unit="s")
    ladder: bool = key(True, "do less on a machine that is hot or short of memory: shorter answers, then skills only, then recorded ones")
    hot_c: float = key(85.0, "temperature from which on answers are shorter; 5 more: skills only; 10 more: recorded sentences", low=40.0,
                       high=110.0, unit="degrees Celsius")
    memory_share: float = key(0.9, "share of the memory (of the unit's limit, else the machine's) in use, from which on the same is done",
                              low=0.1, high=0.99)
    hold_s: float = key(60.0, "that things must be well for each step back", low=0.1, high=3600.0, unit="s")
    short_tokens: int = key(40, "tokens after which a shorter answer ends with its sentence", low=1, high=1000)


@dataclass(frozen=True, slots=True)
class SafetySettings:
    """What is never said.  The rest of such an answer is dropped, and the substitute is spoken."""

    words: list[str] = key([], "words and phrases, in any case, whole")
    patterns: list[str] = key([], "regular expressions, in any case")
    hook: str = key("", "function that is asked about each clause, as \"package.module:name\"; it returns whether the clause may be said")
    substitute: str = key("Let us talk about something else.", "said in place of the rest of the answer")


@dataclass(frozen=True, slots=True)
class SkillSettings:
    """What is answered or done without the language model."""

    enabled: bool = key(True, "answer time, date, sums and units exactly, keep timers and lists; otherwise the language model says what it "
                              "thinks")
    timezone: str = key("", "where the clock is, such as Europe/Berlin; empty for the system's")
    folder: str = key("", "where timers and lists are kept (agenda.json); empty for $STATE_DIRECTORY, else $XDG_STATE_HOME/edgevoice, else "
                          "~/.local/state/edgevoice")


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """What the language model may do; nothing unless a tool is named here or declared in the file."""

    file: str = key("", "TOML file in which tools are declared (see README.md); empty for none")
    builtin: list[str] = key([], "tools that need no file: time, status, timer")
    topics: list[str] = key([], "MQTT topics that tools may publish to, with + and # for levels; all others are never reached")
    rounds: int = key(2, "most calls for one sentence", low=1, high=5)


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """The health snapshot as files, for monitors on the device itself."""

    json_file: str = key("", "where it is written as JSON, best in memory such as /run/edgevoice/health.json; empty for nowhere")
    prometheus_file: str = key("", "where it is written as Prometheus text, for node_exporter's textfile collector (*.prom); empty for "
                                   "nowhere")
    every_s: float = key(10.0, "how often", low=0.1, high=3600.0, unit="s")


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """What of the spoken is written down."""

    log_words: bool = key(False, "what was said and answered may stand in what edgevoice run writes into a file or a pipe; otherwise its "
                                 "length does. A terminal shows it anyway")


@dataclass(frozen=True, slots=True)
class PathSettings:
    """Where things are kept."""

    models: str = key(
        "", "model store; empty for $EDGEVOICE_MODELS, else $XDG_DATA_HOME/edgevoice/models, else ~/.local/share/edgevoice/models")


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """Updates of models and settings (docs/update.md)."""

    public_keys: list[str] = key([], "ed25519 keys of who may make updates for this device, as `edgevoice update key` prints them; none: "
                                     "no updates")
    compatible: str = key("", "kind of device: an update that is made for another one is refused")
    probation_s: float = key(600.0, "how long a new release must have done well before the one before it is removed",
                             low=0.0, high=2592000.0, unit="s")
    probation_turns: int = key(3, "answers it must have given in that time", low=0, high=10000)
    crashes: int = key(3, "times it may crash, be killed or lose its power in that time, before the one before it is taken again", low=1,
                       high=100)
    ready_s: float = key(120.0, "how long it may take in that time until it listens", low=5.0, high=3600.0, unit="s")


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration; each field is a section of the file."""

    audio: AudioSettings = field(default_factory=AudioSettings)
    vad: VadSettings = field(default_factory=VadSettings)
    wake: WakeSettings = field(default_factory=WakeSettings)
    stt: SttSettings = field(default_factory=SttSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    tts: TtsSettings = field(default_factory=TtsSettings)
    dialog: DialogSettings = field(default_factory=DialogSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    wyoming: WyomingSettings = field(default_factory=WyomingSettings)
    lend: LendSettings = field(default_factory=LendSettings)
    home: HomeSettings = field(default_factory=HomeSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    faults: FaultSettings = field(default_factory=FaultSettings)
    safety: SafetySettings = field(default_factory=SafetySettings)
    skills: SkillSettings = field(default_factory=SkillSettings)
    tools: ToolSettings = field(default_factory=ToolSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    update: UpdateSettings = field(default_factory=UpdateSettings)
    paths: PathSettings = field(default_factory=PathSettings)
