/** The content of metadata.json, as the recording stands. */

import { FRAME_SIZE } from "./box_filter.js";
import { VERSION } from "./version.js";

/** @param {object} [so] - what was recorded so far; without it nothing was. */
export function makeMetadata(options, started, so) {
  const { environment, environmentName, player, seed, sim } = options;
  return {
    format_version: 1,
    generator: `gameon-env ${VERSION}`,
    session_id: so?.prefix ?? null,
    start_time: started.toISOString(),
    end_time: new Date().toISOString(),
    duration_s: Math.round((so?.seconds ?? 0) * 1000) / 1000,
    sampling_rate_hz: 10,
    key_interval: "before",
    player_id: player.trim().toLowerCase().replace(/\s+/g, "_"),
    player_name: player,
    robot_model: "rescue robot",
    environment,
    environment_name: environmentName,
    seed,
    game_result: so?.result ?? sim.result(),
    data_stats: {
      total_samples: so?.rows ?? 0,
      total_frames: so?.samples ?? 0,
      actions_logged: so?.actions ?? 0,
      captures_failed: so?.failed ?? 0,
    },
    frames: {
      height: FRAME_SIZE,
      width: FRAME_SIZE,
      channels: "RGB",
      first_row: "top",
      resampling: "box",
      content_boxes: so?.boxes ?? [],
    },
  };
}
