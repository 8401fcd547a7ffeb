// Every word, number and time that the page shows, in the language of its user.
// A language is a file of lang/; tests/console/test_languages.py keeps them equal. The service's own texts stay English.
import { createStore } from "./store.js";

export const LANGUAGES = { en: "English", de: "Deutsch", ko: "한국어", zh: "中文" };
const REMEMBERED = "inspect.language";
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }; // shifts know no a.m.
export const language = createStore("en");
let words = {};

/** Load a language and draw everything again. */
export async function speak(name) {
  const response = await fetch(`console/assets/lang/${name}.json`);
  if (!response.ok) throw new Error(`no language ${name}`);
  words = await response.json();
  document.documentElement.lang = name;
  localStorage.setItem(REMEMBERED, name);
  language.set(name);
}

/** The language that was chosen on this device, else the browser's, else English. */
export function preferredLanguage() {
  const wanted = [localStorage.getItem(REMEMBERED), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((name) => name in LANGUAGES) ?? "en";
}

/** The word for `name`, with its {places} filled in. */
export function t(name, values = {}) {
  const word = words[name] ?? name;
  return word.replace(/\{(\w+)\}/g, (_, place) => values[place] ?? "");
}

const formats = new Map();

function formatOf(kind, options) {
  const name = JSON.stringify([language.get(), kind.name, options]);
  if (!formats.has(name)) formats.set(name, new kind(language.get(), options));
  return formats.get(name);
}

/** 3.14159 → 3.14; a dash where there is none. */
export function number(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  return formatOf(Intl.NumberFormat, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** 0.0123 → 1.2 %. */
export function percent(value, digits = 1) {
  if (value === null || value === undefined) return "–";
  const options = { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits };
  return formatOf(Intl.NumberFormat, options).format(value);
}

/** Bytes → MiB and so on. */
export function bytes(value) {
  const steps = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  for (; value >= 1024 && step < steps.length - 1; step += 1) value /= 1024;
  return `${number(value, step ? 1 : 0)} ${steps[step]}`;
}

/** UTC → the clock of this place, hours to seconds. */
export function clock(utc) {
  return formatOf(Intl.DateTimeFormat, CLOCK).format(new Date(utc));
}

/** Now, by this device, with its zone, so that nobody takes it for UTC. */
export function clockNow(now) {
  return formatOf(Intl.DateTimeFormat, { ...CLOCK, timeZoneName: "short" }).format(now);
}

/** UTC → date and time of this place, with its zone. */
export function moment(utc) {
  if (!utc) return "–";
  const day = { year: "numeric", month: "short", day: "numeric" }; // 03/04 is two days
  return formatOf(Intl.DateTimeFormat, { ...day, ...CLOCK, timeZoneName: "short" }).format(new Date(utc));
}

/** Seconds → 45 s, 12 min, 3 h, 2 d. */
export function span(seconds) {
  const steps = [[86400, "unit.d"], [3600, "unit.h"], [60, "unit.min"]];
  const [size, unit] = steps.find(([least]) => seconds >= 2 * least) ?? [1, "unit.s"];
  return `${number(seconds / size, 0)} ${t(unit)}`;
}
