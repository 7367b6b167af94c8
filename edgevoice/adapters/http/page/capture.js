// In the audio thread: the microphone's samples, in pieces of about 20 ms, as 16 bit, with their loudness.

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this._piece = new Int16Array(Math.round(sampleRate / 50));
    this._filled = 0;
  }

  process([input]) {
    const channel = input[0];
    if (!channel) return true;
    for (const sample of channel) {
      this._piece[this._filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
      if (this._filled === this._piece.length) this._give();
    }
    return true;
  }

  _give() {
    let power = 0;
    for (const sample of this._piece) power += sample * sample;
    const level = Math.sqrt(power / this._piece.length) / 32768, piece = this._piece;
    this._piece = new Int16Array(piece.length);
    this._filled = 0;
    this.port.postMessage({ piece, level }, [piece.buffer]);
  }
}

registerProcessor("capture", Capture);
