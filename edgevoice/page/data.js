// The page's data: decoded once, with the waveforms' coarser levels made from the finest.

const DATA = JSON.parse(document.getElementById("data").textContent);
const DURATION = Math.max(DATA.end - DATA.start, 0.1);
const byId = (id) => document.getElementById(id);
const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const seconds = (s, digits = 2) => s.toFixed(digits).replace(/^-(0\.0*)$/, "$1") + " s";
const millis = (s) => Math.round(s * 1000).toLocaleString("en") + " ms";

function bytes(base64) {
  const text = atob(base64), out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

// Each level holds [min, max] pairs and has half as many as the one below.
function pyramid(wave) {
  let data = new Int8Array(bytes(wave.peaks).buffer), step = wave.step;
  const levels = [{ step, data }];
  while (data.length > 512) {
    const pairs = data.length >> 1, next = new Int8Array(((pairs + 1) >> 1) * 2);
    for (let i = 0; i < next.length; i += 2) {
      const a = i * 2, b = Math.min(a + 2, data.length - 2);
      next[i] = Math.min(data[a], data[b]);
      next[i + 1] = Math.max(data[a + 1], data[b + 1]);
    }
    data = next;
    step *= 2;
    levels.push({ step, data });
  }
  let peak = 8;
  for (const value of levels[levels.length - 1].data) peak = Math.max(peak, Math.abs(value));
  return { levels, peak };
}

const WAVES = Object.fromEntries(Object.entries(DATA.waves).map(([name, wave]) => [name, pyramid(wave)]));

// The recording itself, where the page carries it: for playing, and, once decoded, for the waveform closer than the finest level.
const SOUND = (() => {
  const text = byId("sound").textContent.trim();
  return text ? { file: bytes(text), mic: null, speaker: null } : null;
})();
async function decode(done) {
  const context = new OfflineAudioContext(2, 1, DATA.audioRate), sound = await context.decodeAudioData(SOUND.file.buffer.slice(0));
  SOUND.mic = sound.getChannelData(0);
  SOUND.speaker = sound.getChannelData(1);
  done();
}

// First index of sorted items whose key is not below x.
function lowerBound(items, x, key) {
  let low = 0, high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(items[middle]) < x) low = middle + 1; else high = middle;
  }
  return low;
}
