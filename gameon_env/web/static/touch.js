/** On-screen stick and buttons where there is no mouse: left thumb drives, right thumb looks. */

const STICK_RADIUS = 44;
const COUNTS_PER_PIXEL = 2.4;

/** @param {import("./input.js").Controls} controls */
export function addTouch(controls, onPause) {
  const panel = document.getElementById("touch");
  const coarse = matchMedia("(pointer: coarse)");
  const show = () => (panel.hidden = !coarse.matches);
  coarse.addEventListener("change", show);
  show();
  if (coarse.matches) controls.lock = "unavailable";
  for (const button of panel.querySelectorAll("[data-press]")) {
    const name = button.dataset.press;
    button.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      controls.press(name);
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"])
      button.addEventListener(end, () => controls.release(name));
  }
  document.getElementById("touch-pause").addEventListener("click", onPause);
  drive(controls);
  look(controls);
}

function drive(controls) {
  const stick = document.getElementById("stick");
  const knob = stick.firstElementChild;
  let finger = null;
  const move = (event) => {
    const box = stick.getBoundingClientRect();
    const x = event.clientX - box.left - box.width / 2;
    const y = event.clientY - box.top - box.height / 2;
    const far = Math.hypot(x, y);
    const k = far > STICK_RADIUS ? STICK_RADIUS / far : 1;
    knob.style.transform = `translate(${x * k}px, ${y * k}px)`;
    for (const [name, on] of [
      ["a", x < -16],
      ["d", x > 16],
      ["w", y < -16],
      ["s", y > 16],
    ]) {
      if (on) controls.press(name);
      else controls.release(name);
    }
  };
  stick.addEventListener("pointerdown", (event) => {
    finger = event.pointerId;
    stick.setPointerCapture(finger);
    move(event);
  });
  stick.addEventListener("pointermove", (event) => event.pointerId === finger && move(event));
  for (const end of ["pointerup", "pointercancel"]) {
    stick.addEventListener(end, (event) => {
      if (event.pointerId !== finger) return;
      finger = null;
      knob.style.transform = "";
      for (const name of ["w", "a", "s", "d"]) controls.release(name);
    });
  }
}

function look(controls) {
  let last = null;
  controls.surface.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") last = { id: event.pointerId, x: event.clientX, y: event.clientY };
  });
  addEventListener("pointermove", (event) => {
    if (event.pointerType !== "touch" || event.pointerId !== last?.id) return;
    controls.look((event.clientX - last.x) * COUNTS_PER_PIXEL, (event.clientY - last.y) * COUNTS_PER_PIXEL);
    last = { id: event.pointerId, x: event.clientX, y: event.clientY };
  });
  // Other fingers come and go meanwhile: the one that drives, or presses a button.
  for (const end of ["pointerup", "pointercancel"])
    addEventListener(end, (event) => event.pointerId === last?.id && (last = null));
}
