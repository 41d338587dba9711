/** Effects and ambience from oscillators and noise: no files. Silent until the player asked for sound by a gesture. */

const TONES = {
  rescue: [
    [523, 0, 0.12],
    [659, 0.1, 0.12],
    [784, 0.2, 0.25],
  ],
  completed: [
    [523, 0, 0.15],
    [659, 0.13, 0.15],
    [784, 0.26, 0.15],
    [1047, 0.4, 0.5],
  ],
  failed: [
    [330, 0, 0.25],
    [262, 0.22, 0.25],
    [196, 0.45, 0.6],
  ],
  time_up: [
    [392, 0, 0.2],
    [392, 0.3, 0.2],
    [330, 0.6, 0.5],
  ],
  lost: [
    [294, 0, 0.2],
    [220, 0.18, 0.4],
  ],
  zone: [[440, 0, 0.08]],
  xray: [
    [880, 0, 0.06],
    [1320, 0.05, 0.1],
  ],
  refuel: [
    [330, 0, 0.1],
    [440, 0.1, 0.1],
  ],
  jump: [[180, 0, 0.07]],
};
/** Noise bursts: seconds, filter in Hz, loudness. */
const BURSTS = {
  strike: [0.1, 1400, 0.5],
  cleared: [0.4, 700, 0.6],
  swing: [0.08, 2600, 0.12],
  hurt: [0.16, 420, 0.6],
  thud: [0.35, 260, 0.8],
  collapse: [1.1, 320, 0.7],
  aftershock: [3, 90, 1],
  wave: [3.5, 500, 0.7],
  flare: [1.2, 900, 0.3],
};
const AMBIENCE = { earthquake: [240, 0.03], tsunami: [520, 0.07], wildfire: [900, 0.06] };

export class Sound {
  constructor() {
    this.on = true;
    this.context = null;
    this.bed = null;
  }

  /** Call from a click or key press: browsers keep sound shut before. */
  wake() {
    if (!this.on || typeof AudioContext !== "function") return;
    this.context ??= this.#open();
    // A machine without a sound device refuses: the game goes on silently.
    this.context.resume().catch(() => {});
  }

  #open() {
    const context = new AudioContext();
    this.master = context.createGain();
    this.master.gain.value = 0.35;
    this.master.connect(context.destination);
    this.noise = context.createBuffer(1, context.sampleRate * 2, context.sampleRate);
    const samples = this.noise.getChannelData(0);
    for (let i = 0; i < samples.length; i++) samples[i] = Math.random() * 2 - 1;
    return context;
  }

  /** @param {{name: string}[]} cues */
  play(cues) {
    if (!this.on || this.context?.state !== "running") return;
    for (const { name } of cues) {
      if (TONES[name]) for (const [hz, after, seconds] of TONES[name]) this.#tone(hz, after, seconds);
      if (BURSTS[name]) this.#burst(...BURSTS[name]);
    }
  }

  #tone(hz, after, seconds) {
    const { context } = this;
    const at = context.currentTime + after;
    const source = context.createOscillator();
    const gain = context.createGain();
    source.type = "triangle";
    source.frequency.value = hz;
    gain.gain.setValueAtTime(0.25, at);
    gain.gain.exponentialRampToValueAtTime(0.001, at + seconds);
    source.connect(gain).connect(this.master);
    source.start(at);
    source.stop(at + seconds);
  }

  #burst(seconds, hz, loudness) {
    const at = this.context.currentTime;
    const { source, gain } = this.#filtered(hz);
    gain.gain.setValueAtTime(loudness, at);
    gain.gain.exponentialRampToValueAtTime(0.001, at + seconds);
    source.start(at, Math.random());
    source.stop(at + seconds);
  }

  #filtered(hz) {
    const { context } = this;
    const source = context.createBufferSource();
    source.buffer = this.noise;
    source.loop = true;
    const filter = context.createBiquadFilter();
    filter.type = "lowpass";
    filter.frequency.value = hz;
    const gain = context.createGain();
    source.connect(filter).connect(gain).connect(this.master);
    return { source, gain };
  }

  /** Wind, sea or fire under the game; null stops it. */
  ambience(environment) {
    this.bed?.stop();
    this.bed = null;
    if (!environment || !this.on || this.context?.state !== "running") return;
    const [hz, loudness] = AMBIENCE[environment];
    const { source, gain } = this.#filtered(hz);
    gain.gain.value = loudness;
    source.start();
    this.bed = source;
  }
}
