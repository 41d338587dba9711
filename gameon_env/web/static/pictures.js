/** The pictures on the environment cards: each shows what is dangerous there. */

const sky = (id, top, bottom) =>
  `<defs><linearGradient id="${id}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${top}"/><stop offset="1" stop-color="${bottom}"/></linearGradient></defs><rect width="320" height="150" fill="url(#${id})"/>`;

const open = '<svg viewBox="0 0 320 150" aria-hidden="true" focusable="false">';

export const PICTURES = {
  earthquake: `${open}${sky("sky-e", "#6d8297", "#cbb79d")}
    <path d="M20 150V58l34-8v100zM70 150V78l20 6 16-10v76z" fill="#7d766c"/><path d="M214 150V40l40 14v96z" fill="#8a8073"/><path d="M262 150l8-66 40-6v72z" fill="#6f6961"/>
    <path d="M106 150l18-34 22 12 20-22 26 20 24 24z" fill="#a0968a"/><path d="M96 150l24-14 30 4 28-10 38 20z" fill="#57504a"/>
    <path d="M150 22l-8 24 12-4-10 26" stroke="#ffb000" stroke-width="4" fill="none"/><path d="M28 66h8v10h-8zM42 64h7v10h-7zM28 88h8v10h-8zM226 66h9v12h-9zM240 70h8v12h-8z" fill="#2c3036"/></svg>`,
  tsunami: `${open}${sky("sky-t", "#496a86", "#b9cad2")}
    <path d="M0 120q60-30 120-14t120-6 80 4v46H0z" fill="#7d8f5c"/><path d="M206 70h46v46h-46z" fill="#e7dcc6"/><path d="M200 70h58v6h-58z" fill="#b5533c"/><path d="M216 84h9v12h-9zM234 84h9v12h-9z" fill="#2c3f50"/>
    <path d="M0 44q44-18 84 12t96 36 140 18v40H0z" fill="#2f6f86"/><path d="M0 44q44-18 84 12t96 36 140 18" stroke="#eaf6f8" stroke-width="6" fill="none"/><path d="M0 84q60 6 110 26t210 20" stroke="#7fb6c4" stroke-width="3" fill="none"/><path d="M96 92l34 10-4 10-34-9z" fill="#8f6f4d"/></svg>`,
  wildfire: `${open}${sky("sky-w", "#5a4137", "#e08a4a")}
    <path d="M0 128q80-20 160-6t160-8v36H0z" fill="#3b3a24"/><path d="M40 128l20-60 20 60zM88 126l17-52 17 52zM250 124l20-62 20 62z" fill="#2b3a25"/>
    <path d="M150 130c-24-30 6-40 2-74 22 18 24 36 18 48 8-4 10-12 8-22 20 20 18 40 4 50z" fill="#ff7a1a"/><path d="M158 130c-12-16 4-22 4-40 14 14 14 30 6 40z" fill="#ffd94a"/><path d="M206 130c-14-18 4-26 2-46 16 16 18 32 8 46z" fill="#ff5a10"/>
    <path d="M168 46q30-30 66-18t70-14" stroke="#2d2622" stroke-opacity=".55" stroke-width="22" fill="none"/></svg>`,
};
