/** The robot's display over the picture: score, bars, time, compass, what the tool aims at, and short messages. */

import { atan2, wrapAngle } from "./exact.js";
import { nearestStation } from "./sensors.js";

const byId = (id) => document.getElementById(id);
const COMPASS_HZ = 15;

/** What is said for a cue of the simulation; others are silent. */
const MESSAGES = {
  rescue: "Rescued!",
  lost: "A victim was lost",
  aftershock: "Aftershock! Keep away from tall walls",
  wave: "The sea is rising: get to high ground",
  refuel: "Refuelling",
  flare: "The fire is spreading",
  cleared: "Rubble cleared",
};

export class Hud {
  /** @param {boolean} touch whether buttons on the screen stand for keys */
  constructor(touch) {
    this.touch = touch;
    this.pen = byId("compass").getContext("2d");
    this.shown = new Map();
    this.toastUntil = 0;
    this.hurtUntil = 0;
    this.compassAt = 0;
    this.score = 0;
  }

  /** @param {import("./sim.js").Simulation} sim @param {number} now ms */
  update(sim, now) {
    const seconds = Math.ceil(sim.secondsLeft);
    this.#text("score", String(sim.score).padStart(5, "0"));
    this.#text("time", `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
    this.#class("time", seconds <= 30 ? "short" : "");
    this.#bar("battery", sim.battery);
    this.#bar("damage", 100 - sim.health);
    const result = sim.result();
    this.#text("saved", String(result.victims_saved));
    this.#text("dead", String(result.victims_died));
    this.#text("waiting", String(result.victims_total - result.victims_saved - result.victims_died));
    this.#text("hazard", hazardLine(sim));
    this.#aim(sim);
    this.#data("zone", sim.zone);
    this.#flag("xray", sim.xray);
    this.#flag("hurt", now < this.hurtUntil);
    if (now > this.toastUntil) this.#class("toast", "");
    if (now - this.compassAt > 1000 / COMPASS_HZ) {
      this.compassAt = now;
      this.#compass(sim);
    }
  }

  /** @param {{name: string}[]} cues of one tick */
  hear(cues, sim, now) {
    for (const { name } of cues) {
      if (name === "hurt") this.hurtUntil = now + 220;
      if (name === "zone" && sim.zone !== "green") {
        this.say(sim.zone === "red" ? "Red zone: the robot takes damage" : "Yellow zone: slow going", now);
      }
      if (name === "rescue" || name === "cleared") this.say(`${MESSAGES[name]} +${sim.score - this.score}`, now);
      else if (MESSAGES[name]) this.say(MESSAGES[name], now);
    }
    this.score = sim.score;
  }

  say(text, now, ms = 2200) {
    this.#text("toast", text);
    this.#class("toast", "on");
    this.toastUntil = now + ms;
    this.#text("said", text);
  }

  #aim(sim) {
    const key = this.touch ? "Act" : "Click";
    const target = sim.target();
    this.#class("crosshair", target?.victim ? "victim" : target?.box ? "rubble" : "");
    let text = "";
    if (target?.victim) text = `${key}: rescue`;
    else if (target?.buried) text = `${key}: free the victim (${target.box.hits})`;
    else if (target?.box) text = `${key}: clear rubble (${target.box.hits})`;
    else if (nearestStation(sim).distance < 3)
      text = sim.battery < 99.5 ? `Hold ${this.touch ? "Refuel" : "R"}: refuel and repair` : "";
    else if (sim.battery === 0) text = "Battery empty: crawl to a station";
    this.#text("prompt", text);
  }

  /** North, stations and near victims on a strip that covers 180 degrees. */
  #compass(sim) {
    const { pen } = this;
    const { width, height } = pen.canvas;
    const { robot } = sim;
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = "rgb(0 0 0 / 45%)";
    pen.fillRect(0, 0, width, height);
    pen.textAlign = "center";
    const at = (x, z) => wrapAngle(robot.yaw - atan2(-(x - robot.x), -(z - robot.z)));
    const mark = (angle, draw) => {
      if (Math.abs(angle) < 1.5) draw(width / 2 + (angle / 1.57) * (width / 2));
    };
    pen.fillStyle = "#d7e0e8";
    pen.font = "600 14px system-ui, sans-serif";
    for (const [name, x, z] of [
      ["N", 0, -1],
      ["E", 1, 0],
      ["S", 0, 1],
      ["W", -1, 0],
    ]) {
      mark(wrapAngle(robot.yaw - atan2(-x, -z)), (px) => pen.fillText(name, px, 14));
    }
    pen.fillStyle = "#6ec6ff";
    for (const station of sim.world.stations) mark(at(station.x, station.z), (px) => pen.fillRect(px - 3, 20, 6, 10));
    for (const victim of sim.world.victims) {
      const far = Math.hypot(victim.x - robot.x, victim.z - robot.z);
      if (victim.state !== "waiting" || far > (sim.xray ? 60 : 25)) continue;
      pen.fillStyle = victim.health > 50 ? "#3ce65a" : victim.health > 25 ? "#ffd94a" : "#ff5c4d";
      mark(at(victim.x, victim.z), (px) => {
        pen.beginPath();
        pen.arc(px, 25, far < 10 ? 6 : 4, 0, 7);
        pen.fill();
      });
    }
    pen.fillStyle = "#fff";
    pen.beginPath();
    pen.moveTo(width / 2, height - 8);
    pen.lineTo(width / 2 - 6, height);
    pen.lineTo(width / 2 + 6, height);
    pen.fill();
  }

  #bar(id, value) {
    const whole = Math.round(value);
    if (this.shown.get(id) === whole) return;
    this.shown.set(id, whole);
    const bar = byId(id);
    bar.firstElementChild.style.width = `${whole}%`;
    bar.setAttribute("aria-valuenow", String(whole));
  }

  #text(id, text) {
    if (this.shown.get(id) === text) return;
    this.shown.set(id, text);
    byId(id).textContent = text;
  }

  #class(id, name) {
    if (this.shown.get(`${id}.class`) === name) return;
    this.shown.set(`${id}.class`, name);
    byId(id).className = name;
  }

  #data(name, value) {
    if (document.body.dataset[name] !== value) document.body.dataset[name] = value;
  }

  #flag(name, on) {
    if (on === name in document.body.dataset) return;
    if (on) document.body.dataset[name] = "";
    else delete document.body.dataset[name];
  }
}

function hazardLine(sim) {
  const { hazard } = sim;
  if (sim.environment === "tsunami") {
    const trend = hazard.rate > 0.08 ? "rising" : hazard.rate < -0.08 ? "falling" : "still";
    return `Water ${hazard.level.toFixed(1)} m, ${trend}`;
  }
  if (sim.environment === "wildfire") {
    const names = ["E", "SE", "S", "SW", "W", "NW", "N", "NE"];
    return `Wind to ${names[(Math.round((hazard.angle / Math.PI) * 4) + 16) % 8]}`;
  }
  return hazard.shake > 0 ? "Aftershock" : "";
}
