/** The README of a recording: readme_template.md with the metadata's values in place of its `{{names}}`. */

/** @returns {Promise<string>} the template, as the server has it too. */
export async function loadTemplate() {
  const answer = await fetch(new URL("./readme_template.md", import.meta.url));
  if (!answer.ok) throw new Error(`the page's readme_template.md is missing (${answer.status})`);
  return answer.text();
}

/** `{{game_result.final_score}}` becomes the value that the metadata has there, as JSON; text without its quotes. */
export function fillTemplate(template, metadata) {
  return template.replace(/\{\{([a-z0-9_.]+)\}\}/g, (_, path) => {
    const value = path.split(".").reduce((part, name) => part?.[name], metadata) ?? null;
    return typeof value === "string" ? value : JSON.stringify(value);
  });
}
