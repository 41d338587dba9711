/** The WebGL2 context that all games of the page share, and how much it can draw. */

import * as THREE from "three";

const SOFTWARE = /swiftshader|llvmpipe|software|basic render/i;

export class Stage {
  /** @param {HTMLCanvasElement} canvas Throws Error when the browser gives no WebGL2. */
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", {
      alpha: false,
      antialias: false,
      stencil: false,
      powerPreference: "high-performance",
    });
    if (!gl) throw new Error("no WebGL2");
    this.canvas = canvas;
    this.gl = gl;
    this.renderer = new THREE.WebGLRenderer({ canvas, context: gl });
    this.renderer.info.autoReset = true;
    const name = gl.getExtension("WEBGL_debug_renderer_info");
    this.name = String(gl.getParameter(name ? name.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
    this.software = SOFTWARE.test(this.name);
    /** What `auto` is: the best that was not too slow so far. */
    this.affordable = this.software ? "low" : "high";
  }

  /** @param {'auto'|'lowest'|'low'|'high'} asked @returns {'lowest'|'low'|'high'} */
  quality(asked) {
    return asked === "auto" ? this.affordable : asked;
  }
}
