/** Light, air and colours of each environment. */

export const MOODS = {
  earthquake: {
    title: "Earthquake",
    name: "Collapsed City",
    blurb: "Ruined blocks. Dig people out of the rubble before the aftershocks move it.",
    advice: [
      "Blue beams mark fuel stations; X-ray (E) shows people through walls.",
      "Strike the rubble that lies on a victim before you can pull them out.",
      "Aftershocks bring masonry down near tall walls: get into the open when the ground shakes.",
    ],
    zenith: 0x6d8297,
    horizon: 0xcbb79d,
    fog: [0xc2b09a, 18, 105],
    sun: [0.5, 0.62, 0.35],
    sunColor: 0xffe2b8,
    ambient: 0x9fa8b3,
  },
  tsunami: {
    title: "Tsunami",
    name: "Drowned Coast",
    blurb: "The sea comes in waves, each higher. Read the water, use roofs and hills.",
    advice: [
      "Every wave climbs higher than the last, then drains and pulls everything out to sea.",
      "Crates are a stair to each roof. Hills in the north and roofs stay dry the longest.",
      "People in deep water weaken fast, and so does the robot; drifting wreckage hits hard.",
    ],
    zenith: 0x496a86,
    horizon: 0xb9cad2,
    fog: [0xaabfc9, 24, 125],
    sun: [-0.4, 0.55, 0.5],
    sunColor: 0xfff1d6,
    ambient: 0x93a9b8,
  },
  wildfire: {
    title: "Wildfire",
    name: "Burning Forest",
    blurb: "Fire runs with the wind. Find people in smoke before the flames do.",
    advice: [
      "Fire spreads downwind and uphill; the wind's direction stands at the top right.",
      "Road, pond and burnt ground cannot burn. Smoke slows the robot, flames destroy it.",
      "Fallen trunks block some cabin doors: jump over them or clear them.",
    ],
    zenith: 0x6e5748,
    horizon: 0xe08a4a,
    fog: [0xb07a52, 12, 90],
    sun: [0.7, 0.3, -0.3],
    sunColor: 0xffb070,
    ambient: 0x9c8574,
  },
};
