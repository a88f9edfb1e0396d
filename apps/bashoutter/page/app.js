// The page of Bashoutter.  Whatever people posted goes into the page as text alone (textContent), never as HTML.

const PATIENCE = 20_000; // milliseconds for one answer
const AT_ONCE = 60; // haiku shown at first, and with each "Show more"
const FIELDS = ["first", "second", "third", "username"];

const $ = (id) => document.getElementById(id);
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

let api = "";
let haiku = [];
let shown = AT_ONCE;
const underWay = new Set(); // likes that were not answered yet

// -- the API ----------------------------------------------------------------------------------------------------------

async function call(method, path, body) {
  const answer = await fetch(`${api}${path}`, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE),
  });
  const text = await answer.text();
  const said = text && answer.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : null;
  if (!answer.ok) throw new Error(said?.description ?? said?.message ?? `the API answered ${answer.status}`);
  return said;
}

function why(error) {
  if (error.name === "TimeoutError") return "no answer came in time";
  if (error instanceof TypeError) return "the API cannot be reached";
  return error.message;
}

function say(text) {
  $("status").textContent = text;
}

// -- reading ----------------------------------------------------------------------------------------------------------

async function load(said = "") {
  $("list").setAttribute("aria-busy", "true");
  $("refresh").disabled = true;
  $("empty").hidden = $("broken").hidden = true;
  say("Loading…");
  try {
    await Promise.allSettled(underWay); // else the list may be one from before them
    haiku = await call("GET", "/haiku");
    say(said);
    show();
  } catch (error) {
    haiku = [];
    say("");
    show();
    $("empty").hidden = true;
    $("reason").textContent = why(error);
    $("broken").hidden = false;
  } finally {
    $("list").removeAttribute("aria-busy");
    $("refresh").disabled = false;
  }
}

function show() {
  $("list").replaceChildren(...haiku.slice(0, shown).map(poem));
  $("count").textContent = haiku.length ? haiku.length : "";
  $("more").hidden = haiku.length <= shown;
  $("empty").hidden = haiku.length > 0;
}

function poem(one) {
  const item = $("poem").content.firstElementChild.cloneNode(true);
  const lines = [one.first, one.second, one.third];
  item.dataset.id = one.item_id;
  item.querySelectorAll(".line").forEach((line, at) => (line.textContent = lines[at]));
  item.querySelector("cite").textContent = one.username;
  const time = item.querySelector("time");
  time.dateTime = one.created_at;
  time.textContent = day.format(new Date(one.created_at));
  item.querySelector(".like").addEventListener("click", () => like(one, item));
  item.querySelector(".remove").addEventListener("click", () => remove(one));
  item.querySelector(".remove").setAttribute("aria-label", `Delete “${one.first}”`);
  count(one, item);
  return item;
}

function count(one, item) {
  item.querySelector(".likes").textContent = one.likes;
  item.querySelector(".like").setAttribute("aria-label", `Like “${one.first}”, ${one.likes} so far`);
}

// -- writing ----------------------------------------------------------------------------------------------------------

async function like(one, item) {
  one.likes += 1; // at once, and taken back where the API does not agree
  count(one, item);
  const counted = call("PATCH", `/haiku/${encodeURIComponent(one.item_id)}`);
  underWay.add(counted);
  try {
    const said = await counted;
    one.likes = Math.max(one.likes, said.likes);
  } catch (error) {
    one.likes -= 1;
    say(`That like was not counted: ${why(error)}`);
  }
  underWay.delete(counted);
  count(one, item);
}

async function remove(one) {
  $("doomed").textContent = [one.first, one.second, one.third].join(" / ");
  const dialog = $("confirm");
  dialog.returnValue = "no"; // also for Escape
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  if (dialog.returnValue !== "yes") return;
  try {
    await call("DELETE", `/haiku/${encodeURIComponent(one.item_id)}`);
    haiku = haiku.filter((other) => other !== one);
    show();
    say("Deleted.");
    $("poems").focus();
  } catch (error) {
    say(`It was not deleted: ${why(error)}`);
  }
}

async function post(event) {
  event.preventDefault();
  const form = $("compose");
  const written = Object.fromEntries(FIELDS.map((field) => [field, form.elements[field].value.trim()]));
  const missing = FIELDS.find((field) => !written[field]);
  FIELDS.forEach((field) => form.elements[field].setAttribute("aria-invalid", String(field === missing)));
  if (missing) {
    const label = form.querySelector(`label[for=${missing}]`).firstChild.textContent.trim();
    $("complaint").textContent = `${label} is still empty.`;
    form.elements[missing].focus();
    return;
  }
  const button = form.querySelector("button");
  button.disabled = true;
  $("complaint").textContent = "";
  try {
    await call("POST", "/haiku", written);
    ["first", "second", "third"].forEach((field) => (form.elements[field].value = ""));
    form.elements.first.focus();
    await load("Your haiku is on the wall.");
  } catch (error) {
    $("complaint").textContent = `It was not posted: ${why(error)}`;
  } finally {
    button.disabled = false;
  }
}

// -- beginning --------------------------------------------------------------------------------------------------------

async function begin() {
  $("compose").addEventListener("submit", post);
  $("refresh").addEventListener("click", () => load("Up to date."));
  $("retry").addEventListener("click", start);
  $("more").addEventListener("click", () => {
    shown += AT_ONCE;
    show();
  });
  await start();
}

async function start() {
  try {
    const config = await fetch("config.json", { cache: "no-cache" });
    if (!config.ok) throw new Error("there is no config.json that says where the API is");
    api = (await config.json()).api;
    $("endpoint").textContent = api;
  } catch (error) {
    $("reason").textContent = why(error);
    $("broken").hidden = false;
    return;
  }
  await load();
}

begin();
