"""What the machine decided, carried out: each command is a call to the part that it concerns.  On the loop's thread; no policy."""

from __future__ import annotations

from edgevoice.dialog.commands import (
    Act,
    Cancel,
    ClearTimer,
    Command,
    Commit,
    Confirm,
    Drop,
    Earcon,
    EarconName,
    Filler,
    Listen,
    Pause,
    Prefill,
    Resume,
    SayAgain,
    SetTimer,
    Speak,
    Speculate,
    StartReply,
    StopListening,
)
from edgevoice.pipeline.earcons import earcons, ring
from edgevoice.pipeline.ears import Ears
from edgevoice.pipeline.elsewhere import Sound
from edgevoice.pipeline.mouth import Mouth
from edgevoice.pipeline.replies import Replies
from edgevoice.rt.contract import Core
from edgevoice.trace import Trace


class CarryOut:
    """``do`` is its verb; the others are for tones that are not the machine's."""

    def __init__(self, core: Core, ears: Ears, mouth: Mouth, replies: Replies, trace: Trace) -> None:
        self._core, self._ears, self._mouth, self._replies, self._trace = core, ears, mouth, replies, trace
        self._earcons, self._ring = earcons(core.rate), ring(core.rate)

    def do(self, command: Command, turn: int) -> None:
        """``turn``: the present one."""
        replies = self._replies
        match command:
            case Listen():
                self._ears.listen(command)
            case StopListening(of):
                self._ears.stop_listening(of)
                replies.stop_reading()
            case Prefill(of, text):
                replies.read_ahead(of, text)
            case Speculate(generation, of, text):
                replies.speculate(generation, of, text)
            case Confirm(generation, of):
                replies.confirm(generation, of)
            case Drop(generation, of):
                replies.drop(generation, of)
            case StartReply(generation, of, text, origin):
                replies.answer(generation, of, text, origin)
            case Act(generation):
                replies.act(generation)
            case Speak(generation, of, text, channel, sound):
                if channel != "voice":
                    self._core.announce(generation, channel)
                replies.say(generation, of, text, sound if isinstance(sound, Sound) else None)
            case SayAgain(generation, of, otherwise):
                replies.say(generation, of, replies.history.last_answer or otherwise)
            case Pause(generation):
                self._trace.emit("barge_in_onset", turn=turn, generation=generation)
                self._core.pause(generation)
            case Resume(generation):
                self._trace.emit("barge_in_rejected", turn=turn, generation=generation)
                self._core.resume(generation)
            case Cancel(generation, of, heard, barge_in):
                replies.cancel(generation, of, heard=heard, barge_in=barge_in)
            case Commit(generation):
                replies.commit(generation)
            case Filler(text):
                self._fill(text)
            case Earcon(name):
                self._trace.emit("earcon", name=name)
                self.earcon(name)
            case SetTimer(seconds, timer):
                self._ears.set_timer(seconds, timer)
            case ClearTimer():
                self._ears.clear_timer()

    def earcon(self, name: EarconName) -> None:
        self._core.earcon(self._earcons[name])

    def ring(self) -> None:
        """Over whatever is spoken, which is lowered meanwhile."""
        self._core.alarm(self._ring)
        self._trace.emit("earcon", name="ring")

    def _fill(self, text: str) -> None:
        """Let something be heard while the answer is not ready; it begins after that."""
        samples = self._mouth.phrases.get(text)
        if samples is not None:
            taken = self._core.earcon(samples)
            self._mouth.not_before = self._core.counters().captured + taken
            self._trace.emit("earcon", name="one moment")
