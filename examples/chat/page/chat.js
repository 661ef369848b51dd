/** The page: what is shown, and what the user does. Text of others only ever becomes text, never HTML. */
import { Connection, randomToken } from "./connection.js";

/** How many messages and notices are shown. */
const MAX_SHOWN = 500;
/** Messages of one person stand together when they are not further apart, in ms. */
const TOGETHER = 5 * 60_000;
/** When a message that has not arrived is shown as waiting, in ms. */
const LATE = 500;
/** How long those who are not back after a lost connection are taken to be on their way, in ms. */
const ABSENCE = 30_000;
const REFUSED = "The server is there, but refuses a connection from this address; trying again";

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });

/** The name under which the server knows this page. */
let myName;
/** Who is there. */
let people = [];
/** Who was there when the connection broke, and may be coming back as this page has: which is nothing to tell. */
const missing = new Set();
/** The messages that are shown, by id. */
const shown = new Map();
let lastDay;
let unread = 0;
let countdown;

const connection = new Connection(new URL("./", location.href), { onEvent, onState });

// ---- what the server says

function onEvent(event) {
  if (event.type === "welcome") welcome(event);
  else if (event.type === "said") showSaid(event);
  else if (event.type === "joined") joined(event);
  else if (event.type === "left") left(event);
  else if (event.type === "refused") refused(event);
}

function welcome({ name, people: names, history }) {
  myName = name;
  for (const person of people) if (!names.includes(person)) missing.add(person);
  setTimeout(giveUpMissing, ABSENCE);
  people = names;
  history.forEach(showSaid);
  showPeople();
}

function giveUpMissing() {
  for (const name of missing) if (!people.includes(name)) showNotice(name, "has left");
  missing.clear();
}

function joined({ name }) {
  people.push(name);
  showPeople();
  if (!missing.delete(name)) showNotice(name, "has joined");
}

function left({ name }) {
  people = people.filter((person) => person !== name);
  showPeople();
  showNotice(name, "has left");
}

function refused({ why, text, id }) {
  const item = shown.get(id);
  if (item !== undefined) {
    // back to where it was typed
    if ($("text").value === "") $("text").value = item.querySelector(".text").textContent;
    item.remove();
    shown.delete(id);
    $("problem").textContent = text;
  } else if (why === "name" || why === "name_taken") {
    connection.stop();
    askName(text);
  }
}

// ---- the connection

function onState(state) {
  const { kind, until, refused, replaced, extensions } = state;
  clearInterval(countdown);
  $("countdown").textContent = "";
  if (kind === "waiting") {
    showCountdown(until);
    countdown = setInterval(showCountdown, 1000, until);
  }
  $("state").dataset.kind = kind;
  $("state-text").textContent = kind === "waiting"
    ? refused ? REFUSED : "Connection lost, trying again"
    : kind === "connecting"
    ? "Connecting …"
    : kind === "open"
    ? "Connected"
    : replaced
    ? "You are here in another tab"
    : "Not connected";
  $("retry").hidden = kind !== "waiting" && kind !== "stopped";
  $("retry").textContent = kind === "waiting" ? "Try now" : replaced ? "Come back here" : "Come in";
  $("leave").hidden = kind === "stopped";
  for (const element of $("composer").elements) element.disabled = kind === "stopped";
  $("transport").textContent = kind === "open" ? describe(extensions) : "";
  if ($("welcome").open && kind === "waiting") {
    $("name-problem").textContent = refused ? REFUSED : "The server does not answer, trying again";
  }
  const reading = !$("welcome").open && document.activeElement !== document.body;
  if (kind === "open" && !reading) {
    $("welcome").close();
    $("text").focus();
  }
}

/** Not read aloud every second: the element is hidden from screen readers. */
function showCountdown(until) {
  const seconds = Math.ceil((until - Date.now()) / 1000);
  $("countdown").textContent = seconds > 0 ? ` in ${seconds} s` : "";
}

function describe(extensions) {
  const encrypted = location.protocol === "https:" ? "Encrypted" : "Not encrypted";
  const compressed = extensions.includes("permessage-deflate") ? "compressed" : "not compressed";
  return `${encrypted}, ${compressed}`;
}

// ---- what is shown

function showSaid({ id, name, text, time }) {
  const known = shown.get(id);
  if (known !== undefined && !known.classList.contains("pending")) return; // it is there already
  const stick = known !== undefined || atBottom();
  showDay(time);
  const item = known ?? newItem(id);
  item.classList.remove("pending");
  fill(item, name, text, time);
  const stamp = item.querySelector("time");
  stamp.dateTime = new Date(time).toISOString();
  stamp.textContent = clock.format(time);
  if (known === undefined) add(item); // otherwise it stands where it belongs: first of those that are pending
  arrange(item);
  if (item.nextElementSibling) arrange(item.nextElementSibling);
  if (stick) scrollDown();
  else $("newer").hidden = false;
  if (document.hidden && name !== myName) showUnread(unread + 1);
}

/** What the server has not confirmed yet stands at the end. */
function showPending(id, text) {
  const item = newItem(id);
  item.classList.add("pending");
  setTimeout(() => item.classList.add("late"), LATE); // mostly it has arrived by then
  fill(item, myName, text, Date.now());
  $("log").append(item);
  arrange(item);
  scrollDown();
}

function newItem(id) {
  const item = $("said-template").content.firstElementChild.cloneNode(true);
  shown.set(id, item);
  return item;
}

function fill(item, name, text, time) {
  Object.assign(item.dataset, { name, time });
  item.classList.toggle("own", name === myName);
  showAvatar(item, name);
  item.querySelector(".name").textContent = name;
  item.querySelector(".text").textContent = text;
}

/** Before what has not been sent yet, and not too much in all. */
function add(item) {
  const log = $("log");
  log.insertBefore(item, log.querySelector(".pending"));
  while (log.children.length > MAX_SHOWN) log.firstElementChild.remove();
  for (const [id, item] of shown) if (!item.isConnected) shown.delete(id);
}

/** Messages of one person that follow each other soon stand together under one name. */
function arrange(item) {
  const before = item.previousElementSibling;
  const together = before?.dataset.name !== undefined &&
    before.dataset.name === item.dataset.name &&
    item.dataset.time - before.dataset.time < TOGETHER;
  item.classList.toggle("more", together);
}

function showNotice(name, what) {
  const stick = atBottom();
  const item = document.createElement("li");
  item.className = "notice";
  const isolated = document.createElement("bdi"); // whatever direction it is written in
  isolated.textContent = name;
  item.append(isolated, ` ${what}`);
  add(item);
  if (stick) scrollDown();
}

function showDay(time) {
  const day = calendar.format(time);
  if (day === lastDay) return;
  lastDay = day;
  const item = document.createElement("li");
  item.className = "day";
  item.textContent = day;
  add(item);
}

function showPeople() {
  const items = people.toSorted((a, b) => a.localeCompare(b)).map((name) => {
    const item = $("person-template").content.firstElementChild.cloneNode(true);
    showAvatar(item, name);
    item.querySelector(".name").textContent = name;
    item.querySelector(".you").hidden = name !== myName;
    return item;
  });
  $("people").replaceChildren(...items);
  $("count").textContent = people.length;
}

/** The first letter, on a colour that is always the same for a name. */
function showAvatar(item, name) {
  const avatar = item.querySelector(".avatar");
  const [first] = new Intl.Segmenter().segment(name);
  avatar.textContent = first.segment.toUpperCase();
  const hue = [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  item.style.setProperty("--hue", hue);
}

function atBottom() {
  const { scrollHeight, scrollTop, clientHeight } = $("scroll");
  return scrollHeight - scrollTop - clientHeight < 80;
}

function scrollDown() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
  $("newer").hidden = true;
}

function showUnread(count) {
  unread = count;
  document.title = count > 0 ? `(${count}) Chat` : "Chat";
}

// ---- what the user does

/** A name of one's own for each tab; a reload keeps it. */
function enter(name) {
  const key = sessionStorage.getItem("chat-key") ?? randomToken();
  sessionStorage.setItem("chat-key", key);
  sessionStorage.setItem("chat-name", name);
  localStorage.setItem("chat-name", name); // to suggest it next time
  myName = name;
  connection.start({ name, key });
}

function askName(problem = "") {
  $("name").value = sessionStorage.getItem("chat-name") ?? localStorage.getItem("chat-name") ?? "";
  $("name-problem").textContent = problem;
  sessionStorage.removeItem("chat-name");
  if (!$("welcome").open) $("welcome").showModal();
  $("name").select();
}

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  $("name-problem").textContent = "";
  enter($("name").value);
});

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text === "") return;
  $("text").value = "";
  $("problem").textContent = "";
  showPending(connection.say(text), text);
});

$("text").addEventListener("keydown", (event) => {
  // Enter also ends the composing of a character in many languages
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});

$("retry").addEventListener("click", () => {
  const name = sessionStorage.getItem("chat-name");
  if ($("state").dataset.kind === "waiting") connection.retry();
  else if (name !== null) enter(name); // another tab had taken over
  else askName();
});

$("leave").addEventListener("click", () => {
  connection.leave();
  $("log").querySelectorAll(".pending").forEach((item) => item.remove());
  people = [];
  showPeople();
  askName();
});

$("newer").addEventListener("click", () => {
  scrollDown();
  $("text").focus();
});
$("scroll").addEventListener("scroll", () => {
  if (atBottom()) $("newer").hidden = true;
}, { passive: true });
new ResizeObserver(() => atBottom() && scrollDown()).observe($("scroll"));
document.addEventListener("visibilitychange", () => document.hidden || showUnread(0));

const name = sessionStorage.getItem("chat-name");
if (name === null) askName();
else enter(name);
